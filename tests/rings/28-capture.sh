#!/bin/sh
# Captured packets: scripted conversations whole, in pieces, in disorder and with losses; every link layer and file format; passwords; damage and
# floods; captures of real servers against what their scripts wrote down, and of other projects against what these expect of them, where those are at
# hand ($LAB, $PEERS); a live interface in a network namespace; more packets than there is room for, and an analyzer that is killed; a real Postfix and
# real clients over a wire that loses and reorders packets; and Postfix, Exim, Sendmail and OpenSMTPD that send each other mail, out of their Debian packages.
set -u
. "$TOP/tests/rings/lib.sh"
scratch=$(mktemp -d /var/tmp/aw-capture.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
python3 "$TOP/tests/capture/run.py" "$aw" "$scratch" || echo "not ok capture - its script ended early, see the log"
lab=${LAB:-$TOP/../shared/data/lab}
if [ -d "$lab" ]; then
	python3 "$TOP/tests/capture/lab.py" "$aw" "$lab" || echo "not ok lab captures - the script ended early, see the log"
fi
peers=${PEERS:-$TOP/../shared/data}
if [ -d "$peers/peers" ]; then
	python3 "$TOP/tests/capture/peers.py" "$aw" "$peers" || echo "not ok captures of other projects - the script ended early, see the log"
fi
if [ "$(id -u)" != 0 ]; then
	echo "skip live capture - needs root"
elif ! ip netns add "aw-probe-$$" 2>/dev/null; then
	echo "skip live capture - this machine has no network namespaces"
else
	ip netns del "aw-probe-$$"
	chmod 755 "$scratch"
	python3 "$TOP/tests/capture/live.py" "$(dirname "$aw")" "$scratch/live" || echo "not ok live capture - its script ended early, see the log"
	python3 "$TOP/tests/capture/overload.py" "$(dirname "$aw")" "$scratch/overload" || echo "not ok overload - its script ended early, see the log"
	. "$TOP/tests/system/packages.sh"
	work=$(servers_folder mtas) names=
	rm -rf "${work:?}"
	for server in postfix exim sendmail opensmtpd; do
		[ $server != postfix ] || command -v postfix >/dev/null || continue
		mkdir -p "$work/$server/root"
		if [ $server = postfix ] || fetch $server; then
			names="$names $server"
		else
			echo "skip real $server captured - its packages could not be downloaded"
		fi
	done
	# shellcheck disable=SC2086 # names
	python3 "$TOP/tests/capture/mtas.py" "$(dirname "$aw")" "$work" $names || echo "not ok real servers - the script ended early, see the log"
	rm -rf "${work:?}"
	if command -v postfix >/dev/null && command -v saslpasswd2 >/dev/null; then
		python3 "$TOP/tests/capture/real.py" "$(dirname "$aw")" "$scratch/real" || echo "not ok real Postfix - its script ended early, see the log"
	else
		echo "skip real Postfix - it, or saslpasswd2, is not installed"
	fi
fi
