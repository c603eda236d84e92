#!/bin/sh
# import.sh [POSTFIX_MB [EXIM_MB [SENDMAIL_MB]]] — reads one generated log per MTA (1000, 300 and 300 MB) with abusewatch and with what else
# reads mail logs, in one run, and prints medians of three, peak memory and ratios. Programs that take more than a minute run once.
# Needs mk/deps.sh perf. Not part of make check: figures of a busy machine say nothing; compare only what one run prints.
set -eu
cd "$(dirname "$0")/../.."
make -s all perf-tools
build=$(pwd)/$(sed -n 's/^B = //p' config.mk)
tools=$build/tests/perf
work=$(mktemp -d /var/tmp/aw-perf-XXXXXX) # eximstats takes a path with ".Z" in it for a packed file
trap 'rm -rf "$work"' EXIT
export HOME="$work" LC_ALL=C # lnav keeps its state under HOME
cp examples/customers.csv examples/geo.csv examples/dnsbl.conf "$work/"

have() { command -v "$1" >/dev/null 2>&1; }
measure() { python3 tests/perf/measure.py run "$work/table" "$@"; }
skip() { python3 tests/perf/measure.py skip "$work/table" "$@"; }
per_key() { # per_key REGEX LENGTH: awk that sums lines per what follows the first LENGTH bytes of REGEX
	echo "match(\$0, /$1/) { n[substr(\$0, RSTART + $2, RLENGTH - $2)]++ } END { for (a in n) print a, n[a] }"
}

find_eximstats() { # prints where it is; the package is only unpacked, as its daemon would get in the way of others
	if have eximstats; then command -v eximstats; return; fi
	(cd "$work" && apt-get download exim4-base >/dev/null 2>&1 && dpkg-deb -x exim4-base_*.deb exim4) || true
	[ ! -x "$work/exim4/usr/sbin/eximstats" ] || echo "$work/exim4/usr/sbin/eximstats"
}

ours() { # ours MTA MB LOG
	sed -e 's/^store .*/store = "perf.db"/' -e "s/mta      = \"postfix\"/mta      = \"$1\"/" examples/abusewatch.conf >"$work/abusewatch.conf"
	measure "$1" "$2" parse+join "$tools/pump" "$3"
	measure "$1" "$2" messages "$build/bin/abusewatch" messages --timezone UTC --format ndjson "$3"
	rm -rf "$work"/perf.db*
	BEFORE_EACH="rm -rf '$work'/perf.db*" measure "$1" "$2" import "$build/bin/abusewatch" import -c "$work/abusewatch.conf" "$3"
	messages=$("$build/bin/abusewatch" search -c "$work/abusewatch.conf" --limit 0 --format ndjson | wc -l)
	cases=$("$build/bin/abusewatch" cases -c "$work/abusewatch.conf" --format ndjson | wc -l)
	[ "$messages" -gt 0 ] || { echo "import.sh: import stored nothing of $3" >&2; exit 1; }
	echo "$1: $(wc -l <"$3") lines; import stored $messages messages and opened $cases cases," \
		"$(cat "$work"/perf.db "$work"/perf.db.d/* | wc -c | awk -v n="$messages" '{ printf "%.0f", $1 / n }') bytes a message" >>"$work/stored"
}

everybody() { # everybody MTA MB LOG GREP AWK
	measure "$1" "$2" "wc -l" wc -l "$3"
	measure "$1" "$2" "grep -cE outcomes" grep -cE "$4" "$3"
	if have mawk; then measure "$1" "$2" "mawk, a sum per account" mawk "$5" "$3"; else skip "$1" mawk absent; fi
	ours "$1" "$2" "$3"
}

# What logwatch runs for --service postfix --detail high --range all, told the file: by itself it looks under /var/log, and it keeps a copy.
logwatch_steps() {
	cat <<'STEPS'
set -eu
export PERL5LIB=/usr/share/logwatch/lib LOGWATCH_DATE_RANGE=all LOGWATCH_DETAIL_LEVEL=10 LOGWATCH_DEBUG=0
scripts=/usr/share/logwatch/scripts
perl $scripts/shared/expandrepeats <"$1" | perl $scripts/shared/applystddate |
	perl $scripts/shared/onlyservice '(?:post(?:fix|grey|fwd)|policyd-spf)(?:[-/\w]*)?' | perl $scripts/services/postfix
STEPS
}

postfix_readers() { # postfix_readers MB LOG
	if have pflogsumm; then measure postfix "$1" pflogsumm pflogsumm "$2"; else skip postfix pflogsumm absent; fi
	if have logwatch; then
		logwatch_steps >"$work/logwatch.sh"
		measure postfix "$1" "logwatch, detail high" sh "$work/logwatch.sh" "$2"
	else
		skip postfix logwatch absent
	fi
	if have mtail; then
		mkdir -p "$work/progs"
		gzip -dcf /usr/share/doc/mtail/examples/postfix.mtail* >"$work/progs/postfix.mtail" # mtail's own counters for Postfix
		measure postfix "$1" "mtail --one_shot, postfix.mtail" mtail --one_shot --progs "$work/progs" --logs "$2"
	else
		skip postfix mtail absent
	fi
	if have lnav; then
		measure postfix "$1" "lnav, one count" lnav -n -c ";SELECT count(*) FROM syslog_log WHERE log_body LIKE '%status=sent%'" "$2"
	else
		skip postfix lnav absent
	fi
	skip postfix goaccess "reads access logs: it wants a client, a request and a status in each line"
}

packed() { # packed MB LOG
	gzip -c "$2" >"$2.gz"
	measure "postfix, packed" "$1" "gzip -dc" gzip -dc "$2.gz"
	measure "postfix, packed" "$1" "zlib alone" "$tools/inflate" "$2.gz"
	measure "postfix, packed" "$1" parse+join "$tools/pump" "$2.gz"
	measure "postfix, packed" "$1" messages "$build/bin/abusewatch" messages --timezone UTC --format ndjson "$2.gz"
	rm -rf "$work"/perf.db*
	BEFORE_EACH="rm -rf '$work'/perf.db*" measure "postfix, packed" "$1" import "$build/bin/abusewatch" import -c "$work/abusewatch.conf" "$2.gz"
	rm "$2.gz"
}

one() { # one MTA MB GREP AWK
	log=$work/$1.log
	"$tools/genlog" -f "$1" -m "$2" >"$log"
	everybody "$1" "$2" "$log" "$3" "$4"
}

one postfix "${1:-1000}" 'status=(sent|bounced|deferred)' "$(per_key 'sasl_username=[^, ]+' 14)"
postfix_readers "${1:-1000}" "$work/postfix.log"
packed "${1:-1000}" "$work/postfix.log"
rm "$work/postfix.log"
one exim "${2:-300}" ' (=>|->|[*][*]|==) ' "$(per_key ' A=[^ ]+' 3)"
stats=$(find_eximstats)
if [ -n "$stats" ]; then measure exim "${2:-300}" eximstats "$stats" "$work/exim.log"; else skip exim eximstats "no package to be had"; fi
rm "$work/exim.log"
one sendmail "${3:-300}" 'stat=(Sent|Deferred|User unknown)' "$(per_key 'authid=[^, ]+' 7)"
echo "$(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"
cat "$work/stored"
python3 tests/perf/measure.py print "$work/table"
