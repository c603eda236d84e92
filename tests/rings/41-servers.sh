#!/bin/sh
# servers: real Postfix, Exim, Sendmail, OpenSMTPD and Dovecot, each out of its Debian packages in namespaces of its own. A script sends mail and
# writes down what it did and what it was answered; all of it must be found again in what abusewatch reads from the server's log.
set -u
if [ "$(id -u)" != 0 ] || ! unshare -n -p -f -m -u --kill-child true 2>/dev/null; then
	echo "skip servers - needs root and namespaces"
	exit 0
fi
bin=${BUILD:-$TOP/build}/bin
. "$TOP/tests/system/packages.sh"
work=$(servers_folder servers)

for server in postfix exim sendmail opensmtpd dovecot; do
	rm -rf "${work:?}/$server"
	if ! fetch $server; then
		echo "skip $server - its packages could not be downloaded"
		continue
	fi
	timeout 60 env TZ=UTC unshare -n -p -f -m -u --kill-child sh tests/system/servers.sh $server "$work/$server" >&2 ||
		echo "not ok $server runs - see servers.log"
	case $server in
	dovecot) python3 tests/system/mailstore.py check "$bin/abusewatch" "$work/$server" ;;
	*) python3 tests/system/servers.py check $server "$bin/abusewatch" "$work/$server" ;;
	esac
	rm -rf "$work/$server/root"
done
[ "$work" = "$OUT/servers" ] || rm -rf "${work:?}"
