/* abusewatch: the operator's command. Finds the word in the registry and hands over. */
#include "ctl/command.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/msg.h"

static void usage(FILE *to)
{
	fputs("usage: abusewatch COMMAND [OPTION …] [ARGUMENT …]\n\ncommands:\n", to);
	for (const struct command *const *c = command_registry; *c; c++)
		fprintf(to, "  %-14s %s\n", (*c)->name, (*c)->summary);
	fputs("\n`abusewatch COMMAND --help` says more. Exit status: 0 done, 1 the work failed, 2 wrong use.\n", to);
}

static const struct command *command_named(const char *word)
{
	for (const struct command *const *c = command_registry; *c; c++)
		if (!strcmp((*c)->name, word))
			return *c;
	return NULL;
}

static int finish(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		fputs("abusewatch: standard output cannot be written; is the disk full or the pipe closed?\n", stderr);
		return COMMAND_FAILED;
	}
	return status;
}

int main(int argc, char **argv)
{
	msg_init("abusewatch");
	if (argc < 2) {
		usage(stderr);
		return COMMAND_MISUSED;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		const struct command *about = argc > 2 ? command_named(argv[2]) : NULL;
		if (about)
			about->help(stdout);
		else
			usage(stdout);
		return finish(COMMAND_DONE);
	}
	if (!strcmp(argv[1], "--version")) {
		puts("abusewatch " VERSION);
		return finish(COMMAND_DONE);
	}
	const struct command *c = command_named(argv[1]);
	if (!c) {
		fprintf(stderr, "abusewatch: there is no command \"%s\"; `abusewatch --help` lists them\n", argv[1]);
		return COMMAND_MISUSED;
	}
	for (int i = 2; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			c->help(stdout);
			return finish(COMMAND_DONE);
		}
	}
	argv[1] = (char[]){ "abusewatch" }; /* getopt begins its sentences with it */
	return finish(c->run(argc - 1, argv + 1));
}
