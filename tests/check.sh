#!/bin/sh
# check.sh [RING…] — runs the test rings (tests/rings/NN-name.sh), all or those named ("fixtures", "web").
# A ring prints one line per test: "ok NAME", "not ok NAME - why" or "skip NAME - why", and "# …" with
# what a failure's reader needs; other output goes to its log.
# Rings run beside each other (each has ports, folders and namespaces of its own), as many of them wait most of the time; what
# they found is shown ring by ring, in the order of their numbers.
# The last line here is "N passed, N failed" and, if any, ", N skipped".
set -u
cd "$(dirname "$0")/.." || exit 1
top=$(pwd)
out=${CHECK_OUT:-$top/build/check}
mkdir -p "$out"
export TOP="$top" OUT="$out"
for name in "$@"; do # one that is misspelt would pass
	ls tests/rings/[0-9]*-"$name".sh >/dev/null 2>&1 || { echo "check: there is no ring \"$name\""; exit 1; }
done

if [ -z "${CHECK_NO_INSTALL:-}" ]; then
	sh mk/deps.sh tests >"$out/deps.log" 2>&1 || { tail -n 20 "$out/deps.log"; echo "check: could not install what the tests need (mk/deps.sh tests)"; exit 1; }
fi
./configure --with-werror >"$out/configure.log" 2>&1 || { cat "$out/configure.log"; exit 1; }
make -s -j"$(nproc)" all unit >"$out/build.log" 2>&1 || { tail -n 60 "$out/build.log"; echo "0 passed, 1 failed"; exit 1; }

first="rbl capture sanitize" # these take longest: the others find room beside them
alone="live fuzz" # the one measures time, the other takes all processors: each by itself, when the others have ended
among() { # among WORD "WORD…"
	case " $2 " in *" $1 "*) ;; *) return 1 ;; esac
}
rings='' before='' beside='' after=''
for ring in tests/rings/[0-9]*-*.sh; do
	ring=$(basename "$ring" .sh)
	name=${ring#*-}
	[ $# = 0 ] || among "$name" "$*" || continue
	rings="$rings $ring"
	if among "$name" "$first"; then
		before="$before $ring"
	elif among "$name" "$alone"; then
		after="$after $ring"
	else
		beside="$beside $ring"
	fi
	rm -f "$out/$name.tap" "$out/$name.status"
done

# run N RING…: N of them at a time. Each one's lines go to its .tap, other output to its .log, then how it ended and after how many seconds to
# its .status, and a line of ours tells report() to look.
run() {
	n=$1
	shift
	# shellcheck disable=SC2016 # for the shell that xargs runs
	[ $# = 0 ] || printf '%s\n' "$@" | xargs -P "$n" -I@ sh -c 'name=${0#*-} start=$(date +%s)
		sh "tests/rings/$0.sh" >"$OUT/$name.tap" 2>"$OUT/$name.log"
		echo "$? $(($(date +%s) - start))" >"$OUT/$name.status"
		echo "$name"' @
}

# Waits for each ring in turn, shows what it found, and sums up.
report() {
	passed=0 failed=0 skipped=0 ended=''
	for ring in $rings; do
		name=${ring#*-} status=unknown seconds=0
		echo "== $name"
		while ! among "$name" "$ended" && read -r line; do ended="$ended $line"; done # no more lines when all have ended, this one before its time
		[ ! -f "$out/$name.status" ] || read -r status seconds <"$out/$name.status"
		[ -f "$out/$name.tap" ] || : >"$out/$name.tap"
		ok=$(grep -c '^ok ' "$out/$name.tap")
		bad=$(grep -c '^not ok ' "$out/$name.tap")
		skip=$(grep -c '^skip ' "$out/$name.tap")
		if [ $((ok + bad + skip)) = 0 ] || { [ "$status" != 0 ] && [ "$bad" = 0 ]; }; then
			echo "not ok $name: the ring ended with status $status" >>"$out/$name.tap"
			tail -n 20 "$out/$name.log"
			bad=$((bad + 1))
		fi
		grep -E '^(not ok|skip|#) ' "$out/$name.tap"
		echo "   $ok passed, $bad failed, $skip skipped in $seconds s"
		passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	done
	line="$passed passed, $failed failed"
	[ $skipped = 0 ] || line="$line, $skipped skipped"
	echo "$line"
	[ $failed = 0 ]
}

# shellcheck disable=SC2086 # names without spaces
{ run $(($(nproc) * 2)) $before $beside; run 1 $after; } | report
