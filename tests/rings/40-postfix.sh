#!/bin/sh
# postfix: the whole chain behind a real Postfix, in namespaces of its own.
if [ "$(id -u)" != 0 ] || ! unshare -n -p -f -m -u --kill-child true 2>/dev/null; then
	echo "skip postfix - needs root and namespaces"
	exit 0
fi
dir=$(mktemp -d /var/tmp/aw-postfix.XXXXXX)
. "$TOP/tests/rings/lib.sh"
browser
timeout 180 unshare -n -p -f -m -u --kill-child sh tests/system/postfix.sh "$dir"
status=$?
mkdir -p "$OUT/postfix"
cp "$dir/mail.log" "$dir/abusewatchd.log" "$dir/compromised-hosts.csv" "$dir/sink.ndjson" "$OUT/postfix/" 2>/dev/null
rm -rf "$dir"
exit $status
