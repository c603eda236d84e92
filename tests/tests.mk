# tests/tests.mk: how test programs are built. Rings are run by tests/check.sh.
TEST_LIBS = $(B)/web.a $(B)/report.a $(B)/analyzer.a $(B)/collector.a $(B)/lib.a
UNIT = $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/*.c))
unit: $(UNIT)
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(TEST_LIBS)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $< $(TEST_LIBS) -lcmocka $(LIBS_WEB) $(LIBS_MAIL) $(LIBS_STORE) $(LIBS_ARCHIVE) $(LIBS_BASE)
.PHONY: unit
