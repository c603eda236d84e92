# lib.sh: what rings share. Sourced, not run.
# shellcheck shell=sh disable=SC2034
aw=${BUILD:-$TOP/build}/bin/abusewatch

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
