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
