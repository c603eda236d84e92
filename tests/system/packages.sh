# packages.sh: the mail servers' Debian packages, for those who set $work, which is a folder of their own. Sourced.
# shellcheck shell=sh disable=SC2154
# servers_folder NAME: $OUT/NAME, or one in /tmp where that is below a folder that a server's packages are laid over, as the kernel refuses this.
servers_folder() {
	case $OUT in
	/usr/* | /etc/* | /var/*) d=$(mktemp -d "/tmp/aw-$1.XXXXXX") && chmod 755 "$d" && echo "$d" ;;
	*) echo "$OUT/$1" ;;
	esac
}

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

# The file of package $p, kept for all; since Debian 13 the names of some libraries end with t64.
deb_of() { find "${OUT:?}/debs" \( -name "${p}_*.deb" -o -name "${p}t64_*.deb" \) | head -n 1; }

# fetch NAME: the server's packages, unpacked in ${work:?}/NAME/root. Downloaded once, by one ring at a time.
fetch() {
	mkdir -p "${OUT:?}/debs" "${work:?}/$1/root"
	for p in $(packages "$1"); do
		(
			flock 9
			[ -n "$(deb_of)" ] || { cd "$OUT/debs" && for n in "$p" "${p}t64"; do apt-get -o APT::Sandbox::User=root download "$n" && break; done; }
		) >&2 9>"$OUT/debs.lock" || return 1
		dpkg-deb -x "$(deb_of)" "${work:?}/$1/root" || return 1
	done
}
