#include "ctl/common.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "analyzer/detector.h"
#include "analyzer/store_ro.h"
#include "lib/times.h"

const char *common_default_conf(void)
{
	return SYSCONFDIR "/abusewatch.conf";
}

int common_open(const char *conf_path, struct conf **ret_conf, struct db *ret_db)
{
	size_t n;
	struct err e;
	const struct opt_table *const *tables = detector_option_tables(&n);
	struct conf *c = conf_load_or_die(conf_path, tables, n);
	if (store_ro_open(ret_db, c->store, &e) < 0) {
		(void)command_fail("%s", e.text);
		conf_free(c);
		return -1;
	}
	*ret_conf = c;
	return 0;
}

void common_close(struct conf *conf, struct db *db)
{
	db_close(db);
	conf_free(conf);
}

void common_make_state(const struct conf *conf)
{
	char *folder = conf_store_folder(conf);
	(void)mkdir(conf->state_dir, 0750); /* whoever writes there says why it cannot */
	(void)mkdir(folder, 0750);
	free(folder);
}

int common_time(const char *text, int64_t *ret_us)
{
	if (times_parse_local(sv_cstr(text), ret_us) == 0)
		return 0;
	int64_t back = opt_duration_s(text);
	if (back < 0)
		return -1;
	*ret_us = ((int64_t)time(NULL) - back) * US_PER_S;
	return 0;
}

int common_time_end(const char *text, int64_t *ret_us)
{
	return times_parse_local_end(sv_cstr(text), ret_us) == 0 ? 0 : common_time(text, ret_us);
}

int common_count(const char *text, int64_t *ret)
{
	char *end;
	errno = 0;
	*ret = strtoll(text, &end, 10);
	return *text < '0' || *text > '9' || *end || errno ? -1 : 0;
}
