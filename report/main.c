/* abusewatch-mailer: sends the letters that are due, and tells the analyzer what became of them. */
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "analyzer/detector.h"
#include "analyzer/store_ro.h"
#include "lib/msg.h"
#include "lib/proc.h"
#include "lib/times.h"
#include "report/deliver.h"
#include "report/lists.h"

#define LOOK_MS 2000

struct mailer {
	uv_loop_t loop;
	uv_timer_t timer;
	struct proc proc;
	const char *conf_path;
	struct conf *conf;
	struct stat inventory_seen;
};

static int64_t wall_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

/* Whom to write to is what the customers' file says now: the analyzer goes by it, too. */
static void follow_inventory(struct mailer *m)
{
	if (conf_customers_follow(m->conf, &m->inventory_seen, NULL, NULL) < 0)
		msg_error("%s has mistakes (abusewatch check-config shows them); going on with the old one", m->conf->customers_path);
}

static void on_timer(uv_timer_t *t)
{
	struct mailer *m = t->data;
	struct db db;
	struct err e;
	static bool complained;
	if (!m->conf->notify.enabled)
		return;
	follow_inventory(m);
	if (store_ro_open(&db, m->conf->store, &e) < 0) {
		if (!complained)
			msg_warn("%s; looking again", e.text);
		complained = true;
		return;
	}
	complained = false;
	if (deliver_due(&db, m->conf, wall_us(), &e) < 0)
		msg_error("%s", e.text);
	db_close(&db);
}

static struct conf *load(const char *path)
{
	size_t n;
	const struct opt_table *const *tables = detector_option_tables(&n);
	return conf_load_or_die(path, tables, n);
}

static void on_reload(void *ctx)
{
	struct mailer *m = ctx;
	size_t n;
	const struct opt_table *const *tables = detector_option_tables(&n);
	struct conf *c = conf_load(m->conf_path, tables, n, NULL, NULL);
	if (!c) {
		msg_error("reload: the config has mistakes (abusewatch check-config shows them); going on with the old one");
		return;
	}
	lists_reload(c);
	conf_free(m->conf);
	m->conf = c;
}

static void on_stop(void *ctx)
{
	struct mailer *m = ctx;
	uv_stop(&m->loop);
}

int main(int argc, char **argv)
{
	static struct mailer m;
	msg_init("abusewatch-mailer");
	m.conf_path = proc_options("abusewatch-mailer", "Sends the letters that are due. Runs in the foreground; SIGHUP reloads, SIGTERM ends.\n"
	                           "What would be sent now: abusewatch notify --dry-run\n", argc, argv);
	m.conf = load(m.conf_path);
	conf_log(m.conf);
	bool enabled = m.conf->notify.enabled;
	uv_loop_init(&m.loop);
	proc_init(&m.proc, &m.loop, on_reload, on_stop, &m);
	uv_timer_init(&m.loop, &m.timer);
	m.timer.data = &m;
	uv_timer_start(&m.timer, on_timer, 500, LOOK_MS);
	proc_ready(&m.proc);
	msg_info(enabled ? "ready" : "ready; notify is off in the config, so no letter is sent");
	uv_run(&m.loop, UV_RUN_DEFAULT);
	conf_free(m.conf);
	return 0;
}
