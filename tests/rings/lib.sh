# lib.sh: what rings share. Sourced, not run.
# shellcheck shell=sh disable=SC2034
aw=${BUILD:-$TOP/build}/bin/abusewatch

# sanitized_build TARGET…: what is built with AddressSanitizer and UndefinedBehaviorSanitizer, in $OUT/asan, for the rings that use it: each object is
# compiled once, by the one that comes first; another one waits for it.
sanitized_build() {
	export CONFIG_MK="$OUT/asan.mk" BUILD_DIR="$OUT/asan" BUILD="$OUT/asan"
	(
		flock 9
		./configure --with-sanitizers && make -s -j"$(nproc)" CONFIG="$CONFIG_MK" "$@"
	) >&2 9>"$OUT/asan.lock"
}

# browser: what drives Chromium, fetched by the ring that comes first.
browser() {
	# shellcheck disable=SC2016 # for the other shell
	flock "$OUT/browser.lock" sh -c 'cd "$0/tests/web" && { [ -d node_modules/playwright-core ] || npm ci --no-audit --no-fund; }' "$TOP" >&2
}

# same NAME WANT-FILE GOT-FILE
same() {
	if cmp -s "$2" "$3"; then
		echo "ok $1"
	else
		echo "not ok $1 - differs from $(basename "$2")"
		diff -u "$2" "$3" | head -n 20 >&2
	fi
}

# side_by_side FOLDER PREFIX "NAME…": runs the programs of that folder, as many at a time as there are processors. What each says goes to
# $OUT/PREFIX-NAME.log, how it ended to $OUT/PREFIX-NAME.status.
side_by_side() {
	# shellcheck disable=SC2016,SC2086 # for the shell that xargs runs; names without spaces
	printf '%s\n' $3 | xargs -P "$(nproc)" -I@ sh -c '"$0/@" >"$1-@.log" 2>&1; echo $? >"$1-@.status"' "$1" "$OUT/$2"
}
