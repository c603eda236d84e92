# abusewatch: one non-recursive Makefile. `./configure` writes config.mk; `make` runs it with defaults when it is missing.
CONFIG = config.mk
VERSION = 0.1.0
-include $(CONFIG)
B ?= build

PROGRAMS = abusewatchd abusewatch-collector abusewatch-capture abusewatch-probe abusewatch-analyzer abusewatch-mailer abusewatch-web abusewatch
BIN = $(PROGRAMS:%=$(B)/bin/%)

all: $(BIN)

# A newer configure runs again with the words it was given before.
config.mk: configure
	@args=$$(sed -n 's/^# written by .\/configure *//p' config.mk 2>/dev/null); echo "./configure $$args"; ./configure $$args

# --- what belongs where: a folder is a library; main.c of a folder is its program ------------------------------------
objects = $(patsubst %.c,$(B)/%.o,$(filter-out %/main.c,$(wildcard $(1))))
LIB_O = $(call objects,lib/*.c) $(B)/gen/zones.o
FORMAT_SOURCES = collector/mta/*.c $(foreach f,postfix exim sendmail opensmtpd dovecot exchange filter qmail haraka courier webmail,collector/$(f)/*.c)
COLLECTOR_O = $(call objects,collector/*.c collector/source/*.c collector/framing/*.c $(FORMAT_SOURCES)) $(B)/gen/sources.o $(B)/gen/formats.o $(B)/gen/framings.o
CAPTURE_O = $(call objects,collector/capture/*.c)
ANALYZER_O = $(call objects,analyzer/*.c analyzer/detect/*.c analyzer/policy/*.c) $(B)/gen/detectors.o $(B)/gen/policies.o $(B)/gen/sql.o $(B)/gen/tables.o
PROBE_O = $(call objects,probe/*.c)
REPORT_O = $(call objects,report/*.c) $(B)/gen/letters.o
WEB_O = $(call objects,web/*.c web/page/*.c) $(B)/gen/pages.o $(B)/gen/assets.o
CTL_O = $(call objects,ctl/*.c ctl/cmd/*.c) $(B)/gen/commands.o

$(B)/lib.a: $(LIB_O)
$(B)/collector.a: $(COLLECTOR_O)
$(B)/capture.a: $(CAPTURE_O)
$(B)/analyzer.a: $(ANALYZER_O)
$(B)/probe.a: $(PROBE_O)
$(B)/report.a: $(REPORT_O)
$(B)/web.a: $(WEB_O)
$(B)/%.a:
	@rm -f $@
	ar rcs $@ $^

link = @mkdir -p $(@D); echo "  LD  $@"; $(CC) $(LDFLAGS) -o $@
$(B)/bin/abusewatchd: $(patsubst %.c,$(B)/%.o,$(wildcard supervisor/*.c)) $(B)/analyzer.a $(B)/lib.a
	$(link) $^ $(LIBS_STORE) $(LIBS_BASE)
$(B)/bin/abusewatch-collector: $(B)/collector/main.o $(B)/collector.a $(B)/lib.a
	$(link) $^ $(LIBS_ARCHIVE) $(LIBS_SOURCE) $(LIBS_BASE)
$(B)/bin/abusewatch-capture: $(B)/collector/capture/main.o $(B)/capture.a $(B)/collector.a $(B)/lib.a
	$(link) $^ $(LIBS_CAPTURE) $(LIBS_ARCHIVE) $(LIBS_BASE)
$(B)/bin/abusewatch-analyzer: $(B)/analyzer/main.o $(B)/analyzer.a $(B)/lib.a
	$(link) $^ $(LIBS_STORE) $(LIBS_ARCHIVE) $(LIBS_BASE)
$(B)/bin/abusewatch-probe: $(B)/probe/main.o $(B)/probe.a $(B)/lib.a
	$(link) $^ $(LIBS_PROBE) $(LIBS_BASE)
$(B)/bin/abusewatch-mailer: $(B)/report/main.o $(B)/report.a $(B)/analyzer.a $(B)/lib.a
	$(link) $^ $(LIBS_MAIL) $(LIBS_STORE) $(LIBS_ARCHIVE) $(LIBS_BASE)
$(B)/bin/abusewatch-web: $(B)/web/main.o $(B)/web.a $(B)/probe.a $(B)/report.a $(B)/analyzer.a $(B)/lib.a
	$(link) $^ $(LIBS_WEB) $(LIBS_MAIL) $(LIBS_STORE) $(LIBS_ARCHIVE) $(LIBS_BASE)
$(B)/bin/abusewatch: $(B)/ctl/main.o $(CTL_O) $(B)/probe.a $(B)/report.a $(B)/analyzer.a $(B)/capture.a $(B)/collector.a $(B)/lib.a
	$(link) $^ $(LIBS_PROBE) $(LIBS_CAPTURE) $(LIBS_MAIL) $(LIBS_STORE) $(LIBS_ARCHIVE) $(LIBS_SOURCE) $(LIBS_BASE)

# What the sources are told of the build.
PLACES = -DVERSION='"$(VERSION)"' -DSYSCONFDIR='"$(SYSCONFDIR)"' -DBINDIR='"$(PREFIX)/sbin"'
$(B)/%.o: %.c $(CONFIG) | $(B)/gen/sql.h
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(PLACES) -MMD -MP -c -o $@ $<
$(B)/gen/%.o: $(B)/gen/%.c
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# --- generated: registries of the folders, SQL, embedded files ------------------------------------------------------
# Made anew each time and kept when nothing changed, so that a removed file leaves the registry too.
define REGISTRY
@mkdir -p $(@D)
@sh mk/registry.sh $(1) $(filter %.c,$^) >$@.new
@cmp -s $@.new $@ && rm -f $@.new || mv $@.new $@
endef
$(B)/gen/sources.c: $(wildcard collector/source/*.c) mk/registry.sh FORCE
	$(call REGISTRY,source source collector/source.h)
$(B)/gen/formats.c: $(wildcard collector/mta/*.c) mk/registry.sh FORCE
	$(call REGISTRY,mta mta collector/mta.h)
$(B)/gen/framings.c: $(wildcard collector/framing/*.c) mk/registry.sh FORCE
	$(call REGISTRY,framing framing collector/framing.h)
$(B)/gen/detectors.c: $(wildcard analyzer/detect/*.c) mk/registry.sh FORCE
	$(call REGISTRY,detector detector analyzer/detector.h)
$(B)/gen/policies.c: $(wildcard analyzer/policy/*.c) mk/registry.sh FORCE
	$(call REGISTRY,policy_rule policy analyzer/policy.h)
$(B)/gen/pages.c: $(wildcard web/page/*.c) mk/registry.sh FORCE
	$(call REGISTRY,page page web/page.h)
$(B)/gen/commands.c: $(wildcard ctl/cmd/*.c) mk/registry.sh FORCE
	$(call REGISTRY,command command ctl/command.h)

$(B)/mk/%: mk/%.c
	@mkdir -p $(@D)
	$(CC) -std=c17 -O1 -Wall -Wextra -o $@ $< $(if $(filter sqlgen,$*),-lsqlite3)
$(B)/gen/sql.c: $(B)/gen/sql.h
	@touch $@
$(B)/gen/sql.h: sql/queries.sql $(sort $(wildcard sql/0*.sql)) $(B)/mk/sqlgen
	@mkdir -p $(@D)
	$(B)/mk/sqlgen $@ $(@:.h=.c) sql/queries.sql $(sort $(wildcard sql/0*.sql))
$(B)/gen/tables.c: $(wildcard etc/*.tsv) $(B)/mk/embed
	@mkdir -p $(@D)
	$(B)/mk/embed embed_tables $(filter %.tsv,$^) >$@
$(B)/gen/zones.c: etc/dnsbl.conf $(B)/mk/embed
	@mkdir -p $(@D)
	$(B)/mk/embed embed_zones etc/dnsbl.conf >$@
$(B)/gen/letters.c: $(wildcard report/letters/*.mustache) $(B)/mk/embed
	@mkdir -p $(@D)
	$(B)/mk/embed embed_letters $(filter %.mustache,$^) >$@
# the charts' library comes from Debian's libjs-dygraphs (MIT)
DYGRAPHS = $(addprefix /usr/share/javascript/dygraphs/,dygraph.min.js dygraph.min.css)
$(B)/gen/assets.c: $(wildcard web/tmpl/* web/static/*) $(DYGRAPHS) $(B)/mk/embed
	@mkdir -p $(@D)
	$(B)/mk/embed embed_assets $(filter web/% $(DYGRAPHS),$^) >$@

-include $(shell find $(B) -path '$(B)/check' -prune -o -type f -name '*.d' -print 2>/dev/null)

include tests/tests.mk

# --- for people -----------------------------------------------------------------------------------------------------
demo:
	@sh examples/demo.sh
check:
	@sh tests/check.sh

MANDIR = $(DESTDIR)$(PREFIX)/share/man
UNITDIR = $(DESTDIR)$(PREFIX)/lib/systemd/system
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(SYSCONFDIR) $(MANDIR)/man1 $(MANDIR)/man5 $(MANDIR)/man8
	install -m 755 $(B)/bin/abusewatch $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(filter-out %/abusewatch,$(BIN)) $(DESTDIR)$(PREFIX)/sbin/
	[ -e $(DESTDIR)$(SYSCONFDIR)/abusewatch.conf ] || { install -m 640 etc/abusewatch.conf $(DESTDIR)$(SYSCONFDIR)/ && \
		chgrp abusewatch $(DESTDIR)$(SYSCONFDIR)/abusewatch.conf 2>/dev/null || :; } # the programs read it as that user, where he is
	install -d $(UNITDIR)
	sed 's|@SBINDIR@|$(PREFIX)/sbin|; s|@SYSCONFDIR@|$(SYSCONFDIR)|' etc/abusewatch.service.in >$(UNITDIR)/abusewatch.service
	chmod 644 $(UNITDIR)/abusewatch.service
	install -d $(DESTDIR)$(PREFIX)/share/abusewatch
	install -m 644 etc/dnsbl.conf $(DESTDIR)$(PREFIX)/share/abusewatch/
	for m in man/*.[158]; do install -m 644 $$m $(MANDIR)/man$${m##*.}/; done
uninstall:
	rm -f $(PROGRAMS:%=$(DESTDIR)$(PREFIX)/bin/%) $(PROGRAMS:%=$(DESTDIR)$(PREFIX)/sbin/%) $(UNITDIR)/abusewatch.service
	rm -rf $(DESTDIR)$(PREFIX)/share/abusewatch
	for m in man/*.[158]; do rm -f $(MANDIR)/man$${m##*.}/$${m##*/}; done
	@echo "Left: $(DESTDIR)$(SYSCONFDIR)/abusewatch.conf, the store (as a rule /var/lib/abusewatch) and, when it was enabled, a link: systemctl disable abusewatch"
dist:
	git archive --format=tar.gz --prefix=abusewatch-$(VERSION)/ -o abusewatch-$(VERSION).tar.gz HEAD
lint: all
	@sh mk/lint.sh
clean:
	rm -rf build config.mk abusewatch-*.tar.gz

FORCE:
.PHONY: FORCE all check demo install uninstall dist lint fuzz clean
.SECONDARY:
