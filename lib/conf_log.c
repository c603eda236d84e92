#include <string.h>

#include "lib/conf.h"
#include "lib/msg.h"

void conf_log(const struct conf *c)
{
	int level = msg_level_named(c->log_level);
	if (strcmp(c->log_dest, "stderr") == 0)
		msg_to(MSG_STDERR);
	else if (strcmp(c->log_dest, "syslog") == 0)
		msg_to(MSG_SYSLOG);
	else if (strcmp(c->log_dest, "journal") == 0)
		msg_to(MSG_JOURNAL);
	if (level >= 0 && msg_level_now() != MSG_DEBUG)
		msg_level((enum msg_level)level);
}
