#!/bin/sh
# pcap.sh [MB [FLOWS-AT-ONCE]] — makes captures of SMTP sessions, 2,000 at a time, and reads each with abusewatch and with a loop that only reads it by
# libpcap: 950 MB of small messages (some 106,000 sessions, 230 bytes a packet), 600 MB of larger ones (370 bytes a packet), and, a tenth of the first, also
# with tshark. Prints medians of three, rates, ratios and peak memory.
# Needs mk/deps.sh perf. Not part of make check: figures of a busy machine say nothing; compare only what one run prints.
set -eu
cd "$(dirname "$0")/../.."
make -s all
build=$(pwd)/$(sed -n 's/^B = //p' config.mk)
work=$(mktemp -d /var/tmp/aw-perf.XXXXXX)
trap 'rm -rf "$work"' EXIT
cc -O2 -w -o "$work/genpcap" tests/perf/genpcap.c
cc -O2 -o "$work/pcaploop" tests/perf/pcaploop.c -lpcap
size=${1:-950}
flows=${2:-2000}

make_capture() { # make_capture FILE MB BODY-BYTES; sets packets and mb
	"$work/genpcap" "$1" "$2" "$flows" 2 "$3" | tee "$work/made"
	packets=$(sed 's/ packets.*//' "$work/made")
	mb=$(($(stat -c %s "$1") / 1000000))
}

run() { # run NAME COMMAND…: median of three by processor time; peak memory
	name=$1
	shift
	: >"$work/times"
	for _ in 1 2 3; do
		/usr/bin/time -a -o "$work/times" -f '%U %S %e %M' "$@" >/dev/null 2>"$work/err" || { cat "$work/err"; exit 1; }
	done
	awk '{ print $1 + $2, $3, $4 }' "$work/times" | sort -n | sed -n 2p | awk -v n="$name" -v p="$packets" -v mb="$mb" \
		'{ printf "%-34s %6.2f s of a processor, %6.2f s in all, %5.2f M packets/s, %5.2f Gbit/s, %5.1f MB peak\n", n, $1, $2, p / $1 / 1e6, mb * 8 / $1 / 1000, $3 / 1024 }'
	awk '{ print $1 + $2 }' "$work/times" | sort -n | sed -n 2p >"$work/$name.s"
}

both() { # both FILE
	run loop "$work/pcaploop" "$1"
	run abusewatch "$build/bin/abusewatch" capture -r "$1" --format ndjson
	awk -v a="$(cat "$work/abusewatch.s")" -v b="$(cat "$work/loop.s")" 'BEGIN { printf "abusewatch takes %.1f times as long as the loop\n", a / b }'
}

make_capture "$work/big.pcap" "$size" 1500
both "$work/big.pcap"
rm "$work/big.pcap"
make_capture "$work/large.pcap" $((size * 12 / 19)) 4000
both "$work/large.pcap"
rm "$work/large.pcap"
if command -v tshark >/dev/null 2>&1; then
	make_capture "$work/small.pcap" $((size / 10)) 1500
	/usr/bin/time -o "$work/times" -f '%U %S %e %M' tshark -r "$work/small.pcap" -Y smtp -T fields -e ip.src -e smtp.req.command -e smtp.response.code >/dev/null 2>&1
	awk -v p="$packets" '{ printf "%-34s %6.2f s of a processor, %6.3f M packets/s, %5.1f MB peak\n", "tshark, a tenth of it", $1 + $2, p / ($1 + $2) / 1e6, $4 / 1024; print p / ($1 + $2) }' \
		"$work/times" >"$work/tshark"
	head -n 1 "$work/tshark"
	run abusewatch-tenth "$build/bin/abusewatch" capture -r "$work/small.pcap" --format ndjson
	awk -v t="$(tail -n 1 "$work/tshark")" -v a="$(cat "$work/abusewatch-tenth.s")" -v p="$packets" 'BEGIN { printf "abusewatch reads %.0f times as many packets a second as tshark\n", p / a / t }'
else
	echo "tshark is not installed: left out"
fi
