#!/bin/sh
# pcap.sh [MB [FLOWS-AT-ONCE]] — makes a capture of SMTP sessions (950 MB, some 106,000 of them, 2,000 at a time) and reads it
# with abusewatch, with a loop that only reads it by libpcap, and, a tenth of it, with tshark. Prints medians of three, rates, ratios and peak memory.
# Needs mk/deps.sh perf. Not part of make check: figures of a busy machine say nothing; compare only what one run prints.
set -eu
cd "$(dirname "$0")/../.."
make -s all
build=$(pwd)/$(sed -n 's/^B = //p' config.mk)
work=$(mktemp -d /var/tmp/aw-perf.XXXXXX)
trap 'rm -rf "$work"' EXIT
cc -O2 -w -o "$work/genpcap" tests/perf/genpcap.c
cc -O2 -o "$work/pcaploop" tests/perf/pcaploop.c -lpcap
"$work/genpcap" "$work/big.pcap" "${1:-950}" "${2:-2000}" | tee "$work/made"
packets=$(sed 's/ packets.*//' "$work/made")
mb=$(($(stat -c %s "$work/big.pcap") / 1000000))

run() { # run NAME FILE COMMAND…: median of three by processor time; peak memory
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
run loop "$work/pcaploop" "$work/big.pcap"
run abusewatch "$build/bin/abusewatch" capture -r "$work/big.pcap" --format ndjson
awk -v a="$(cat "$work/abusewatch.s")" -v b="$(cat "$work/loop.s")" 'BEGIN { printf "abusewatch takes %.1f times as long as the loop\n", a / b }'
if command -v tshark >/dev/null 2>&1; then
	"$work/genpcap" "$work/small.pcap" $((mb / 10)) "${2:-2000}" >"$work/made"
	packets=$(sed 's/ packets.*//' "$work/made")
	mb=$(($(stat -c %s "$work/small.pcap") / 1000000))
	/usr/bin/time -o "$work/times" -f '%U %S %e %M' tshark -r "$work/small.pcap" -Y smtp -T fields -e ip.src -e smtp.req.command -e smtp.response.code >/dev/null 2>&1
	awk -v p="$packets" -v a="$(cat "$work/abusewatch.s")" -v all="$(sed 's/ packets.*//' "$work/made")" \
		'{ printf "tshark, a tenth of it                %6.2f s of a processor, %6.3f M packets/s, %5.1f MB peak\n", $1 + $2, p / ($1 + $2) / 1e6, $4 / 1024; print p / ($1 + $2) }' "$work/times" >"$work/tshark"
	head -n 1 "$work/tshark"
	run abusewatch-tenth "$build/bin/abusewatch" capture -r "$work/small.pcap" --format ndjson
	awk -v t="$(tail -n 1 "$work/tshark")" -v a="$(cat "$work/abusewatch-tenth.s")" -v p="$packets" 'BEGIN { printf "abusewatch reads %.0f times as many packets a second as tshark\n", p / a / t }'
else
	echo "tshark is not installed: left out"
fi
