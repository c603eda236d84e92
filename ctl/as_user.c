#include "ctl/as_user.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/privileges.h"

struct asked { const char *user; FILE *out; };

/* A mistake a line: file, line, text. */
static void write_down(void *ctx, const char *file, int line, const char *text)
{
	struct asked *a = ctx;
	fprintf(a->out, "%s\t%d\tas user \"%s\", which the programs become: %s\n", file, line, a->user, text);
}

static bool may_not_read(const char *path)
{
	return access(path, R_OK) < 0 && errno == EACCES;
}

char *as_user_unreadable(const struct conf_source *s)
{
	glob_t g = { 0 };
	const char *worst = NULL;
	if (strcmp(s->type, "file") != 0 && strcmp(s->type, "archive") != 0)
		return NULL;
	if (glob(s->path, GLOB_ERR | GLOB_NOCHECK, NULL, &g) != 0)
		worst = s->path; /* its folder */
	for (size_t i = 0; i < g.gl_pathc && !worst; i++)
		if (may_not_read(g.gl_pathv[i]))
			worst = g.gl_pathv[i];
	char *found = worst ? xstrdup(worst) : NULL;
	globfree(&g);
	return found;
}

static void check_source(struct asked *a, const struct conf *c, const struct conf_source *s)
{
	char text[1024], *worst = as_user_unreadable(s);
	if (worst) {
		(void)snprintf(text, sizeof text, "source %s: may not read %s; chgrp adm and chmod g+r help, also in what rotates it, or adduser %s GROUP-OF-THE-LOG", s->name, worst, a->user);
		write_down(a, c->path, s->line, text);
	}
	free(worst);
}

static _Noreturn void ask(const struct conf *c, const struct opt_table *const *tables, size_t n_tables, int fd)
{
	struct err e;
	struct asked a = { c->user, fdopen(fd, "w") };
	if (!a.out)
		_exit(1);
	if (privileges_become_reader(c->user, &e) < 0)
		write_down(&a, c->path, 0, e.text);
	else
		conf_free(conf_load(c->path, tables, n_tables, write_down, &a));
	for (size_t i = 0; i < c->n_source; i++)
		check_source(&a, c, &c->source[i]);
	(void)fflush(a.out);
	_exit(0);
}

static void hear(FILE *in, conf_mistake_cb *cb, void *ctx)
{
	char *line = NULL;
	size_t cap = 0;
	while (getline(&line, &cap, in) > 0) {
		char *rest = line, *file = strsep(&rest, "\t"), *number = strsep(&rest, "\t");
		if (!rest)
			continue;
		rest[strcspn(rest, "\n")] = 0;
		cb(ctx, file, (int)strtol(number, NULL, 10), rest);
	}
	free(line);
}

void as_user_check(const struct conf *c, const struct opt_table *const *tables, size_t n_tables, conf_mistake_cb *cb, void *ctx)
{
	int fd[2];
	if (geteuid() != 0 || !c->user || !*c->user || pipe(fd) < 0)
		return;
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		close(fd[0]);
		ask(c, tables, n_tables, fd[1]);
	}
	close(fd[1]);
	FILE *in = fdopen(fd[0], "r");
	if (in) {
		hear(in, cb, ctx);
		fclose(in);
	}
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
}
