/* abusewatch capture: the SMTP sessions in a capture file, or on an interface, one object each. */
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "collector/capture/feed.h"
#include "collector/capture/file.h"
#include "collector/capture/live.h"
#include "ctl/logs.h"
#include "lib/opt.h"
#include "lib/privileges.h"
#include "lib/sandbox.h"

#define LOOK_MS 500 /* between looks at the clock and the kernel's counts */

static const char *const columns[] = {
	"first_time", "client_ip", "client_port", "server_ip", "server_port", "helo", "account", "commands", "quit", "gap", "refusal", "banner",
};

struct output {
	struct logs_out *rows;
	struct buf text;
	struct logs_progress progress;
};

struct options {
	const char *file, *interface, *expression, *conf_path;
	int format;
	bool promiscuous, no_subjects, tunnels, unanswered;
	size_t memory_bytes, ring_bytes; /* 0: not said */
	struct capture_options capture;
};

static void help(FILE *to)
{
	fputs("usage: abusewatch capture (-r FILE | -i INTERFACE) [OPTION …]\n"
	      "Follows SMTP in packets and prints one object for every session, with its messages. No password and no\n"
	      "message body is kept.\n"
	      "  -r FILE            a capture file (pcap, pcapng), also .gz .xz .zst; - is standard input\n"
	      "  -c CONF            with the ports, tunnels, subjects, programs and memory of its section capture: that of the\n"
	      "                     interface (then also its expression), else the first; other options go before\n"
	      "  -i INTERFACE       live, until interrupted; needs root, and gives that up once the interface is open\n"
	      "  --expression BPF   which packets, as pcap-filter(7) has it; then every TCP port counts\n"
	      "                     (default: TCP ports 25, 465, 587 and 2525)\n"
	      "  --tunnels          look into GRE, ERSPAN, VXLAN and IP in IP, too\n"
	      "  --memory BYTES     for sessions, e.g. 256M (default 64M); then the quietest are ended\n"
	      "  --unanswered       also connections that nobody answered or that were refused\n"
	      "  --no-subjects      only a hash of subjects\n"
	      "  --promiscuous      live: also what is addressed to others\n"
	      "  --ring BYTES       live: the kernel's buffer (default 32M)\n"
	      "  --statistics       say on standard error what was read and what was left out\n"
	      "  --format FORMAT    table (default on a terminal), ndjson (default in a pipe), json, csv\n", to);
}

static void on_session(void *ctx, const struct smtp_session *s)
{
	struct output *o = ctx;
	buf_clear(&o->text);
	smtp_session_json(s, &o->text);
	logs_out_add(o->rows, buf_sv(&o->text));
}

static bool on_progress(void *ctx, uint64_t bytes, uint64_t total)
{
	struct output *o = ctx;
	(void)total;
	logs_progress_at(&o->progress, bytes, 0);
	return !ferror(stdout);
}

static void statistics(const struct capture *c)
{
	const struct capture_stats t = capture_totals(c);
#define C(name) fprintf(stderr, "%-18s %" PRIu64 "\n", #name, t.name);
	CAPTURE_STATS(C)
#undef C
}

static int from_file(const struct options *o, struct capture *c, struct filter *filter, struct output *out)
{
	struct err e;
	struct capture_file_run run = { .path = o->file, .capture = c, .filter = filter, .progress = on_progress, .ctx = out };
	char *files[] = { (char *)(uintptr_t)o->file };
	/* It reads what strangers wrote: it may read files, and write none. */
	struct sandbox fence = { .n = 0 };
	sandbox_allow(&fence, "/", false);
	(void)sandbox_enter(&fence);
	logs_progress_start(&out->progress, files, 1);
	int bad = capture_file_run(&run, &e);
	logs_progress_end(&out->progress);
	capture_end(c);
	if (capture_totals(c).odd_links)
		fprintf(stderr, "abusewatch: %" PRIu64 " frames of link types that this version cannot read were left out\n", capture_totals(c).odd_links);
	return bad ? command_fail("%s", e.text) : COMMAND_DONE;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static int64_t wall_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Until interrupted, or nobody reads any more. */
static int follow(struct live *l, struct capture *c, struct err *e)
{
	struct pollfd p = { .fd = live_fd(l), .events = POLLIN };
	uint64_t packets, drops;
	int64_t look_us = 0;
	while (!interrupted && !ferror(stdout)) {
		(void)poll(&p, 1, LOOK_MS);
		if (live_read(l, c, e) < 0)
			return -1;
		int64_t now_us = wall_us();
		if (now_us >= look_us && now_us < look_us + LOOK_MS * 1000)
			continue;
		look_us = now_us;
		capture_tick(c, now_us);
		(void)live_adapt(l, c);
		live_counts(l, &packets, &drops);
		capture_kernel(c, packets, drops);
		fflush(stdout);
	}
	return 0;
}

static int from_interface(const struct options *o, struct capture *c)
{
	struct err e;
	struct live_options lo = { o->interface, o->expression ? o->expression : "", o->promiscuous, o->ring_bytes, &o->capture };
	struct live *l = live_open(&lo, &e);
	if (!l)
		return command_fail("%s", e.text);
	struct sandbox nothing = { .n = 0 };
	if (privileges_drop("nobody", &e) < 0) {
		live_close(l);
		return command_fail("%s", e.text);
	}
	(void)sandbox_enter(&nothing);
	(void)privileges_few_calls();
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	int bad = follow(l, c, &e);
	capture_end(c);
	live_close(l);
	return bad ? command_fail("%s: %s", o->interface, e.text) : COMMAND_DONE;
}

static int run(int argc, char **argv);
const struct command command_capture = { "capture", "SMTP sessions out of packets", help, run };

static int set_one(struct options *o, int opt, const char *arg)
{
	const struct command *c = &command_capture;
	int64_t bytes;
	switch (opt) {
	case 'r': o->file = arg; return 0;
	case 'i': o->interface = arg; return 0;
	case 'e':
		o->expression = arg;
		return 0;
	case 'c': o->conf_path = arg; return 0;
	case 'p': o->promiscuous = true; return 0;
	case 't': o->tunnels = true; return 0;
	case 'u': o->unanswered = true; return 0;
	case 's': o->no_subjects = true; return 0;
	case 'm':
		bytes = opt_bytes(arg);
		if (bytes < 1 << 20 || bytes > INT64_C(64) << 30)
			return command_misuse(c, "--memory wants 1M to 64G, not \"%s\"", arg);
		o->memory_bytes = (size_t)bytes;
		return 0;
	case 'R':
		bytes = opt_bytes(arg);
		if (bytes < 64 << 10 || bytes > 1 << 30)
			return command_misuse(c, "--ring wants 64K to 1G, not \"%s\"", arg);
		o->ring_bytes = (size_t)bytes;
		return 0;
	case 'f':
		o->format = command_format_named(arg);
		return o->format < 0 ? command_misuse(c, "--format %s: want table, ndjson, json or csv", arg) : 0;
	default: return command_wrong_option(c);
	}
}

/* The config's section, if there is one, then what the command line says. */
static struct conf *settle(struct options *o)
{
	struct conf *conf = o->conf_path ? conf_load_or_die(o->conf_path, NULL, 0) : NULL;
	const struct conf_capture *s = conf && conf->n_capture ? &conf->capture[0] : NULL;
	for (size_t i = 0; o->interface && conf && i < conf->n_capture; i++)
		if (strcmp(conf->capture[i].interface, o->interface) == 0)
			s = &conf->capture[i];
	o->capture = s ? capture_options_of(s) : capture_defaults();
	if (s && o->interface && strcmp(s->interface, o->interface) == 0) {
		o->promiscuous |= s->promiscuous;
		o->ring_bytes = o->ring_bytes ? o->ring_bytes : (size_t)s->ring_bytes;
		if (!o->expression && *s->expression)
			o->expression = s->expression;
	}
	o->capture.unanswered = o->unanswered;
	o->capture.tunnels |= o->tunnels;
	o->capture.subjects &= !o->no_subjects;
	if (o->memory_bytes)
		o->capture.memory_bytes = o->memory_bytes;
	if (o->expression)
		o->capture.n_ports = 0;
	return conf;
}

static int run(int argc, char **argv)
{
	static const struct option all[] = {
		{ "expression", 1, 0, 'e' }, { "tunnels", 0, 0, 't' }, { "memory", 1, 0, 'm' }, { "unanswered", 0, 0, 'u' }, { "no-subjects", 0, 0, 's' },
		{ "format", 1, 0, 'f' }, { "statistics", 0, 0, 'S' }, { "promiscuous", 0, 0, 'p' }, { "ring", 1, 0, 'R' }, { 0, 0, 0, 0 },
	};
	struct options o = { .format = (int)command_default_format() };
	struct err e;
	bool show = false;
	optind = 0;
	for (int opt; (opt = getopt_long(argc, argv, "r:i:c:", all, NULL)) != -1;) {
		int status = opt == 'S' ? 0 : set_one(&o, opt, optarg);
		show |= opt == 'S';
		if (status)
			return status;
	}
	if (optind < argc)
		return command_misuse(&command_capture, "\"%s\" is one word too many; a file is named by -r", argv[optind]);
	if (!o.file == !o.interface)
		return command_misuse(&command_capture, "name either a file with -r or an interface with -i");
	struct conf *conf = settle(&o);
	struct filter *filter = o.expression && o.file ? filter_new(o.expression, &e) : NULL;
	if (o.expression && o.file && !filter)
		return command_misuse(&command_capture, "%s", e.text);
	struct output out = { .rows = logs_out_new(o.format, columns, sizeof columns / sizeof *columns) };
	struct capture *c = capture_new(&o.capture, on_session, &out);
	int status = o.file ? from_file(&o, c, filter, &out) : from_interface(&o, c);
	if (show)
		statistics(c);
	logs_out_free(out.rows);
	buf_fini(&out.text);
	capture_free(c);
	filter_free(filter);
	conf_free(conf);
	return status;
}
