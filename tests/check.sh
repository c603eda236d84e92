#!/bin/sh
# check.sh [RING…] — runs the test rings (tests/rings/NN-name.sh), all or those named ("fixtures", "web").
# A ring prints one line per test: "ok NAME", "not ok NAME - why" or "skip NAME - why", and "# …" with
# what a failure's reader needs; other output goes to its log.
# The last line here is "N passed, N failed" and, if any, ", N skipped".
set -u
cd "$(dirname "$0")/.." || exit 1
top=$(pwd)
out=${CHECK_OUT:-$top/build/check}
mkdir -p "$out"
export TOP="$top" OUT="$out"

if [ -z "${CHECK_NO_INSTALL:-}" ]; then
	sh mk/deps.sh tests >"$out/deps.log" 2>&1 || { tail -n 20 "$out/deps.log"; echo "check: could not install what the tests need (mk/deps.sh tests)"; exit 1; }
fi
./configure --with-werror >"$out/configure.log" 2>&1 || { cat "$out/configure.log"; exit 1; }
make -s -j"$(nproc)" all unit >"$out/build.log" 2>&1 || { tail -n 60 "$out/build.log"; echo "0 passed, 1 failed"; exit 1; }

passed=0 failed=0 skipped=0
for ring in tests/rings/[0-9]*-*.sh; do
	name=$(basename "$ring" .sh); name=${name#*-}
	if [ $# -gt 0 ]; then
		case " $* " in *" $name "*) ;; *) continue ;; esac
	fi
	start=$(date +%s)
	echo "== $name"
	sh "$ring" >"$out/$name.tap" 2>"$out/$name.log"
	status=$?
	ok=$(grep -c '^ok ' "$out/$name.tap")
	bad=$(grep -c '^not ok ' "$out/$name.tap")
	skip=$(grep -c '^skip ' "$out/$name.tap")
	if [ $((ok + bad + skip)) = 0 ] || { [ $status != 0 ] && [ "$bad" = 0 ]; }; then
		echo "not ok $name: the ring ended with status $status" | tee -a "$out/$name.tap"
		tail -n 20 "$out/$name.log"
		bad=$((bad + 1))
	fi
	grep -E '^(not ok|skip|#) ' "$out/$name.tap"
	echo "   $ok passed, $bad failed, $skip skipped in $(($(date +%s) - start)) s"
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
done
line="$passed passed, $failed failed"
[ $skipped = 0 ] || line="$line, $skipped skipped"
echo "$line"
[ $failed = 0 ]
