#!/bin/sh
# Each libFuzzer target for a while under AddressSanitizer and UndefinedBehaviorSanitizer, seeded by the fixtures.
set -u
if ! command -v clang >/dev/null; then
	echo "skip fuzz - clang is not installed"
	exit 0
fi
cd "$TOP" || exit 1
make -s fuzz-build >&2 || { echo "not ok fuzz - does not build, see the log"; exit 0; }
seconds=${FUZZ_SECONDS:-60}
seeds=$OUT/fuzz-seeds
mkdir -p "$seeds"
n=0
for log in tests/mta/*/*.log; do
	while IFS= read -r line; do
		n=$((n + 1))
		printf '%s\n' "$line" >"$seeds/$n"
	done <"$log"
	head -c 6000 "$log" >"$seeds/head-$(basename "$log")"
done
# The first target takes all formats and is the one that peers reach; the others have a share each.
for bin in build/fuzz/fuzz_postfix $(find build/fuzz -maxdepth 1 -type f -name 'fuzz_*' ! -name fuzz_postfix | sort); do
	name=$(basename "$bin")
	corpus=build/fuzz/corpus-$name
	mkdir -p "$corpus"
	if "$bin" -max_total_time="$seconds" -max_len=8192 -timeout=10 -artifact_prefix="$OUT/$name-" "$corpus" "$seeds" >"$OUT/$name.log" 2>&1; then
		echo "ok $name $(sed -n 's/^Done \([0-9]*\) runs.*/\1 inputs/p' "$OUT/$name.log")"
	else
		echo "not ok $name - $(grep -m 1 -E 'ERROR|SUMMARY' "$OUT/$name.log"), see $name.log"
	fi
	seconds=$(((${FUZZ_SECONDS:-60} + 5) / 6))
done
