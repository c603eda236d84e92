#include "ctl/command.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

int command_misuse(const struct command *c, const char *fmt, ...)
{
	va_list ap;
	fputs("abusewatch: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; see `abusewatch %s --help`\n", c->name);
	return COMMAND_MISUSED;
}

int command_wrong_option(const struct command *c)
{
	fprintf(stderr, "abusewatch: see `abusewatch %s --help`\n", c->name);
	return COMMAND_MISUSED;
}

int command_fail(const char *fmt, ...)
{
	va_list ap;
	fputs("abusewatch: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return COMMAND_FAILED;
}

enum command_format command_default_format(void)
{
	return isatty(STDOUT_FILENO) ? FORMAT_TABLE : FORMAT_NDJSON;
}

int command_format_named(const char *word)
{
	static const char *const names[] = { "table", "ndjson", "json", "csv" };
	for (int i = 0; i < 4; i++)
		if (!strcmp(names[i], word))
			return i;
	return -1;
}
