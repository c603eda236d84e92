#!/bin/sh
# Captured packets: scripted conversations whole, in pieces, in disorder and with losses; every link layer and file format; passwords; damage and
# floods; captures of real servers against what their scripts wrote down, where those are at hand ($LAB); a live interface in a network namespace;
# more packets than there is room for, and an analyzer that is killed; a real Postfix and real clients over a wire that loses and reorders packets.
set -u
. "$TOP/tests/rings/lib.sh"
work=$(mktemp -d /var/tmp/aw-capture.XXXXXX)
trap 'rm -rf "$work"' EXIT
python3 "$TOP/tests/capture/run.py" "$aw" "$work" || echo "not ok capture - its script ended early, see the log"
lab=${LAB:-$TOP/../shared/data/lab}
if [ -d "$lab" ]; then
	python3 "$TOP/tests/capture/lab.py" "$aw" "$lab" || echo "not ok lab captures - the script ended early, see the log"
fi
if [ "$(id -u)" != 0 ]; then
	echo "skip live capture - needs root"
elif ! ip netns add "aw-probe-$$" 2>/dev/null; then
	echo "skip live capture - this machine has no network namespaces"
else
	ip netns del "aw-probe-$$"
	chmod 755 "$work"
	python3 "$TOP/tests/capture/live.py" "$(dirname "$aw")" "$work/live" || echo "not ok live capture - its script ended early, see the log"
	python3 "$TOP/tests/capture/overload.py" "$(dirname "$aw")" "$work/overload" || echo "not ok overload - its script ended early, see the log"
	if command -v postfix >/dev/null && command -v saslpasswd2 >/dev/null; then
		python3 "$TOP/tests/capture/real.py" "$(dirname "$aw")" "$work/real" || echo "not ok real Postfix - its script ended early, see the log"
	else
		echo "skip real Postfix - it, or saslpasswd2, is not installed"
	fi
fi
