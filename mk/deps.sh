#!/bin/sh
# deps.sh build|demo|tests|lint|perf — installs the Debian packages that each needs, when they are not there yet.
set -eu
build="gcc make pkg-config libuv1-dev libconfuse-dev libjson-c-dev libsqlite3-dev libmicrohttpd-dev libmaxminddb-dev
 libsodium-dev libpsl-dev zlib1g-dev libzstd-dev liblzma-dev libbz2-dev libcurl4-openssl-dev libgmime-3.0-dev libgnutls28-dev libsystemd-dev libunbound-dev libpcap-dev
 libjs-dygraphs"
case $(dpkg --print-architecture) in amd64 | arm64) build="$build libisal-dev" ;; esac # may be absent: zlib does it then
clang_rt=libclang-rt-14-dev # what clang -fsanitize links
[ "$(. /etc/os-release && echo "${VERSION_ID:-}")" = 12 ] || clang_rt=libclang-rt-dev
demo="gzip procps python3"
tests="clang $clang_rt libcmocka-dev sqlite3 python3 curl jq postfix sasl2-bin libsasl2-modules libsasl2-modules-db chromium nodejs npm
 libmaxmind-db-writer-perl rbldnsd bind9-dnsutils unbound iproute2 xz-utils zstd bzip2 bsdutils gnutls-bin openssl systemd-journal-remote"
lint="clang-tidy cppcheck mandoc shellcheck universal-ctags jq"
perf="python3 time adns-tools iproute2 iputils-ping pflogsumm logwatch mawk lnav mtail tshark" # what tests/perf/import.sh and pcap.sh compare with
case ${1:-} in
build) want=$build ;;
demo) want="$build $demo" ;;
tests) want="$build $demo $tests" ;;
lint) want="$build $lint" ;;
perf) want="$build $perf" ;;
*) echo "usage: deps.sh build|demo|tests|lint|perf" >&2; exit 2 ;;
esac
absent=
for p in $want; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' && continue
	case $p in nodejs | npm) command -v "${p%js}" >/dev/null 2>&1 && continue ;; esac
	absent="$absent $p"
done
[ -n "$absent" ] || exit 0
sudo=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null 2>&1 || { echo "deps.sh: not root and no sudo; as root: apt-get install$absent" >&2; exit 1; }
	sudo=sudo
fi
$sudo apt-get update
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y --no-install-recommends $absent
