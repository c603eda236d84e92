#!/bin/sh
# rbl.sh [ADDRESSES] — how fast block lists are asked: one address on 60 lists, and ADDRESSES (10000) of them, at 20 ms round trip (netem between two network
# namespaces of our own; a server that answers 20 ms late where the kernel has no netem), beside a bare sendmmsg loop and adnshost asking the same server. Needs
# root; mk/deps.sh perf installs adnshost.
set -eu
cd "$(dirname "$0")/../.."
many=${1:-10000}
bin=$(pwd)/build/bin
[ "$(id -u)" = 0 ] || { echo "rbl.sh: needs root for network namespaces" >&2; exit 1; }
command -v adnshost >/dev/null || { echo "rbl.sh: adnshost is missing; sh mk/deps.sh perf" >&2; exit 1; }
make -s -j2 all perf-tools
blast=$(pwd)/build/tests/perf/dnsblast
work=$(mktemp -d /var/tmp/aw-rblperf.XXXXXX)
here=awrbl$$ there=awdns$$
end() {
	for p in $(jobs -p); do kill "$p" 2>/dev/null || true; done
	ip netns pids $here 2>/dev/null | xargs -r kill 2>/dev/null || true
	ip netns pids $there 2>/dev/null | xargs -r kill 2>/dev/null || true
	ip netns del $here 2>/dev/null || true
	ip netns del $there 2>/dev/null || true
	rm -rf "$work"
}
trap end EXIT INT TERM
ip netns add $here
ip netns add $there
ip link add aw0 netns $here type veth peer name aw1 netns $there
ip -n $here addr add 198.18.255.1/30 dev aw0
ip -n $there addr add 198.18.255.2/30 dev aw1
for ns in $here $there; do ip -n $ns link set lo up; done
ip -n $here link set aw0 up
ip -n $there link set aw1 up
late=20
if ip netns exec $there tc qdisc add dev aw1 root netem delay 10ms limit 100000 2>/dev/null; then
	ip netns exec $here tc qdisc add dev aw0 root netem delay 10ms limit 100000
	late=0
fi
echo "the 20 ms are $([ $late = 0 ] && echo "netem's" || echo "the server's: this kernel has no netem")"
ip netns exec $there "$blast" serve 198.18.255.2 53 $late &
i=0
while [ $i -lt 60 ]; do
	printf 'zone "z%02d.example" { targets = { "ip4" } per-second = 0 server = "198.18.255.2@53" }\n' $i
	i=$((i + 1))
done >"$work/zones.conf"
sed 's/ server = "[^"]*"//' "$work/zones.conf" >"$work/forward.conf"
mkdir "$work/state"
printf 'store = "%s/state/aw.db"\nrbl { zones = "%s/zones.conf" }\n' "$work" "$work" >"$work/aw.conf"
MANY=$many WORK=$work BLAST=$blast BIN=$bin HERE=$here python3 tests/perf/rbl.py
