#!/bin/sh
# The parsers built with AddressSanitizer and UndefinedBehaviorSanitizer over every fixture, the unit tests of lines, messages, sessions, quick readings,
# packed logs, segments, enrichment and frames, and packet capture.
set -u
cd "$TOP" || exit 1
. "$TOP/tests/rings/lib.sh"
units="test_smtp_session test_backlog test_room test_near test_newlines test_archive test_segment test_filter test_filters test_archive_reader test_enrich test_ingest test_lines test_wire test_messages test_fold test_cold test_brief test_hot test_session test_put_off test_store_memory test_store_bulk test_put_back"
# shellcheck disable=SC2046 # names without spaces
sanitized_build "$OUT/asan/bin/abusewatch" $(for u in $units; do echo "$OUT/asan/tests/unit/$u"; done) ||
	{ echo "not ok sanitize - does not build, see the log"; exit 0; }
aw=$BUILD/bin/abusewatch
export ASAN_OPTIONS=detect_leaks=1 LAB="${LAB:-/nonexistent}"
for log in tests/mta/*/*.log; do
	name=$(basename "$log" .log)
	for command in parse messages; do
		if "$aw" $command --year 2026 --timezone UTC "$log" >/dev/null 2>"$OUT/sanitize-$name.log"; then
			echo "ok sanitized $command $name"
		else
			echo "not ok sanitized $command $name - see sanitize-$name.log"
		fi
	done
done
side_by_side "$BUILD/tests/unit" sanitize "$units"
for u in $units; do
	if [ "$(cat "$OUT/sanitize-$u.status")" = 0 ]; then
		echo "ok sanitized $u"
	else
		echo "not ok sanitized $u - see sanitize-$u.log"
	fi
done
# Captured packets: all conversations, whole and in disorder, fewer times than the ring capture does it.
CAPTURE_SEEDS=3 python3 tests/capture/run.py "$aw" >"$OUT/sanitize-capture.out" 2>"$OUT/sanitize-capture.log" ||
	echo "not ok sanitized capture - its script ended early, see sanitize-capture.log"
sed 's/^ok /ok sanitized /; s/^not ok /not ok sanitized /' "$OUT/sanitize-capture.out"
