#!/bin/sh
# servers: real Postfix, Exim, Sendmail, OpenSMTPD and Dovecot, each out of its Debian packages in namespaces of its own. A script sends mail and
# writes down what it did and what it was answered; all of it must be found again in what abusewatch reads from the server's log.
set -u
if [ "$(id -u)" != 0 ] || ! unshare -n -p -f -m -u --kill-child true 2>/dev/null; then
	echo "skip servers - needs root and namespaces"
	exit 0
fi
bin=${BUILD:-$TOP/build}/bin
work=$OUT/servers
rsyslog="rsyslog libestr0 libfastjson4 liblognorm5"
packages() {
	case $1 in
	exim) echo "exim4-daemon-light exim4-base exim4-config libgnutls-dane0 libunbound8 libidn12 libnsl2 $rsyslog" ;;
	sendmail) echo "sendmail-bin sendmail-base sendmail-cf m4 libsigsegv2 liblockfile1 libwrap0 libnsl2 $rsyslog" ;;
	postfix) echo "$rsyslog" ;; # the rest is installed (mk/deps.sh tests)
	dovecot) echo "dovecot-core dovecot-imapd dovecot-pop3d dovecot-submissiond dovecot-lmtpd dovecot-sieve libexttextcat-2.0-0 liblua5.4-0 libwrap0 libapparmor1 libstemmer0d libtirpc3 libtirpc-common libunwind8 $rsyslog" ;;
	opensmtpd) echo "opensmtpd libevent-2.1-7 $rsyslog" ;;
	esac
}

# fetch NAME: the server's packages, unpacked in $work/NAME/root. Downloaded once, kept beside.
fetch() {
	mkdir -p "$work/debs" "$work/$1/root"
	for p in $(packages "$1"); do
		deb=$(find "$work/debs" -name "${p}_*.deb" | head -n 1)
		if [ -z "$deb" ]; then
			(cd "$work/debs" && apt-get -o APT::Sandbox::User=root download "$p") >&2 || return 1
			deb=$(find "$work/debs" -name "${p}_*.deb" | head -n 1)
		fi
		dpkg-deb -x "$deb" "$work/$1/root" || return 1
	done
}

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
