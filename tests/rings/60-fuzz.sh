#!/bin/sh
# Each libFuzzer target for a while (FUZZ_SECONDS, 60) under AddressSanitizer and UndefinedBehaviorSanitizer, seeded by the fixtures: one
# for every format, one for every framing, one for what the collector keeps, one for judging, three for captured packets. As many at a
# time as there are processors, each of which a target has for itself: on two, 25 targets take thirteen minutes.
set -u
if ! command -v clang >/dev/null; then
	echo "skip fuzz - clang is not installed"
	exit 0
fi
cd "$TOP" || exit 1
make -s -j"$(nproc)" fuzz-build >&2 || { echo "not ok fuzz - does not build, see the log"; exit 0; }
seeds=$OUT/fuzz-seeds
rm -rf "$seeds"
python3 tests/mta/framings.py --seeds "$TOP" "$seeds" || { echo "not ok fuzz - no seeds for the framings"; exit 0; }
python3 tests/rbl/seeds.py "$seeds/dns" || { echo "not ok fuzz - no seeds for DNS"; exit 0; }
python3 tests/capture/seeds.py "$seeds" || { echo "not ok fuzz - no seeds for captures"; exit 0; }
for format in tests/mta/*/; do
	of=$seeds/$(basename "$format")
	mkdir -p "$of"
	n=0
	for log in "$format"*.log; do
		while IFS= read -r line; do
			n=$((n + 1))
			printf '%s\n' "$line" >"$of/$n"
		done <"$log"
		head -c 6000 "$log" >"$of/head-$(basename "$log")"
	done
done

# found NAME: where a target stopped and the input that did it, so that it is had again from what the tests print (| base64 -d | gunzip).
found() {
	grep -o -m 3 "#[0-9]* 0x[0-9a-f]* in [a-z_0-9]* $TOP.*" "$OUT/$1.log" | sed "s|$TOP/||; s|^|# |"
	for input in "$OUT/$1"-*; do
		[ -f "$input" ] || continue
		echo "# $(basename "$input"), gzip and base64:"
		gzip -9 <"$input" | base64 -w 120 | sed 's/^/# /'
	done
}

one() { # one NAME FOLDER…
	name=$1
	shift
	rm -f "$OUT/$name"-*
	mkdir -p "build/fuzz/corpus-$name"
	if "build/fuzz/$name" -max_total_time="${FUZZ_SECONDS:-60}" -max_len=8192 -timeout=10 -artifact_prefix="$OUT/$name-" "build/fuzz/corpus-$name" "$@" >"$OUT/$name.log" 2>&1; then
		echo "ok $name $(sed -n 's/^Done \([0-9]*\) runs.*/\1 inputs/p' "$OUT/$name.log")"
	else
		echo "not ok $name - $(grep -m 1 -E 'ERROR|SUMMARY' "$OUT/$name.log"), see $name.log"
		found "$name"
	fi
}

# share FIRST: every so manieth target.
share() {
	i=0
	for source in tests/fuzz/fuzz_*.c; do
		i=$((i + 1))
		[ $((i % rows)) = "$1" ] || continue
		name=$(basename "$source" .c)
		case $name in
		fuzz_framing_*) one "$name" "$seeds/${name#fuzz_framing_}" ;;
		fuzz_postfix | fuzz_snapshot | fuzz_judge) one "$name" "$seeds"/*/ ;; # the one that takes all formats
		*) one "$name" "$seeds/${name#fuzz_}" ;;
		esac
	done
}
rows=$(nproc) row=0 pids='' status=0
while [ $row -lt "$rows" ]; do
	share $row &
	pids="$pids $!"
	row=$((row + 1))
done
for pid in $pids; do # one that is killed leaves out targets
	wait "$pid" || status=1
done
exit $status
