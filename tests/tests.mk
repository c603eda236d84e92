# tests/tests.mk: how test programs are built. Rings are run by tests/check.sh.
TEST_LIBS = $(B)/web.a $(B)/probe.a $(B)/report.a $(B)/analyzer.a $(B)/capture.a $(B)/collector.a $(B)/lib.a
UNIT = $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/*.c))
unit: $(UNIT)
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(TEST_LIBS)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $< $(TEST_LIBS) -lcmocka $(LIBS_PROBE) $(LIBS_CAPTURE) $(LIBS_WEB) $(LIBS_MAIL) $(LIBS_STORE) $(LIBS_ARCHIVE) $(LIBS_SOURCE) $(LIBS_BASE)
.PHONY: unit

# Fuzz targets: clang's libFuzzer with both sanitizers, in build/fuzz. `make fuzz` builds and gives each 60 seconds.
FUZZ = $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_CFLAGS = -std=c17 -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined $(filter -DWITH_%,$(CFLAGS))
FUZZ_SOURCES = $(wildcard probe/dnsmsg.c probe/verdict.c probe/zonefile.c lib/dnsbl.c lib/dnsbl_zones.c lib/hash.c lib/opt.c lib/plain.c lib/conf_scan.c lib/conf_check.c lib/conf_relations.c lib/conf_keys.c lib/arena.c lib/buf.c lib/err.c lib/jsonw.c lib/msg.c lib/obs.c lib/prefix.c lib/record.c lib/reply_class.c lib/sandbox.c lib/smtp_session.c lib/times.c lib/txn.c lib/newlines.c lib/table.c lib/wire.c) \
	$(filter-out collector/capture/main.c collector/capture/live.c collector/capture/fence.c collector/capture/tap.c collector/capture/feed.c,$(wildcard collector/capture/*.c)) \
	$(filter-out collector/main.c collector/tls.c collector/stream.c collector/import.c,$(wildcard collector/*.c)) $(wildcard $(FORMAT_SOURCES) collector/framing/*.c) $(B)/gen/zones.c $(B)/gen/formats.c $(B)/gen/framings.c
FUZZ_O = $(patsubst %.c,build/fuzz/obj/%.o,$(FUZZ_SOURCES))
fuzz-build: $(FUZZ)
build/fuzz/obj/%.o: %.c | $(B)/gen/sql.h
	@mkdir -p $(@D)
	@clang $(FUZZ_CFLAGS) $(PLACES) -MMD -MP $(CPPFLAGS) -c -o $@ $<
FUZZ_LIBS = $(LIBS_ARCHIVE) $(LIBS_CAPTURE) $(LIBS_BASE)
# What judging takes, too: of the others only fuzz_judge asks for it.
FUZZ_JUDGE_O = $(filter-out $(FUZZ_O),$(patsubst %.c,build/fuzz/obj/%.o,$(wildcard lib/*.c) $(filter-out analyzer/main.c,$(wildcard analyzer/*.c analyzer/detect/*.c analyzer/policy/*.c)) \
	$(B)/gen/detectors.c $(B)/gen/policies.c $(B)/gen/sql.c $(B)/gen/tables.c))
build/fuzz/fuzz_judge: $(FUZZ_JUDGE_O)
build/fuzz/fuzz_judge: FUZZ_LIBS += $(LIBS_STORE)
build/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(wildcard tests/fuzz/*.h) $(FUZZ_O)
	@echo "  FUZZ $@"
	@clang $(FUZZ_CFLAGS) $(CPPFLAGS) -o $@ $(filter-out %.h,$^) $(FUZZ_LIBS)
-include $(FUZZ_O:.o=.d) $(FUZZ_JUDGE_O:.o=.d)
fuzz: fuzz-build
	@OUT=build/fuzz TOP=. sh tests/rings/60-fuzz.sh
.PHONY: fuzz-build

# What tests/perf builds for itself: makers of large logs and stores.
perf-tools: $(B)/tests/perf/dnsblast $(B)/tests/perf/genlog $(B)/tests/perf/fillstore $(B)/tests/perf/pump $(B)/tests/perf/waiting $(B)/tests/perf/inflate
$(B)/tests/perf/dnsblast: tests/perf/dnsblast.c
	@mkdir -p $(@D)
	@$(CC) -O2 -Wall -o $@ $<
$(B)/tests/perf/genlog: tests/perf/genlog.c
	@mkdir -p $(@D)
	@$(CC) -O2 -w -o $@ $<
$(B)/tests/perf/fillstore: $(B)/tests/perf/fillstore.o $(B)/analyzer.a $(B)/lib.a
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_STORE) $(LIBS_ARCHIVE) $(LIBS_BASE)
$(B)/tests/perf/pump $(B)/tests/perf/waiting: $(B)/tests/perf/%: $(B)/tests/perf/%.o $(B)/collector.a $(B)/lib.a
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_ARCHIVE) $(LIBS_BASE)
$(B)/tests/perf/inflate: tests/perf/inflate.c
	@mkdir -p $(@D)
	@$(CC) -O2 -o $@ $< -lz
.PHONY: perf-tools
