#include "analyzer/crew.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "lib/buf.h"

#define SLOW_NS 400000 /* a piece that takes longer has waited for the disk: what is in memory takes a quarter of that */

struct job { crew_piece *piece; void *ctx; size_t n; atomic_size_t next; atomic_bool slow; };

struct worker { struct crew *crew; pthread_t thread; unsigned number; };

struct crew {
	pthread_mutex_t lock;
	pthread_cond_t begin, done;
	struct worker worker[CREW_MOST]; /* the first is who asks, and no thread */
	unsigned threads, busy, awake;   /* busy: that joined in; awake: that were woken for this job */
	unsigned processors;
	unsigned long round;             /* of the job under way */
	bool open, end;                  /* open: a thread that wakes now may still join in */
	struct job job;
};

struct crew *crew_new(void)
{
	struct crew *c = xcalloc(1, sizeof *c);
	cpu_set_t set;
	c->processors = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : CREW_MOST;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->begin, NULL);
	pthread_cond_init(&c->done, NULL);
	return c;
}

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Wakes threads until so many are at work besides who asks. */
static void wake(struct crew *c, size_t most)
{
	pthread_mutex_lock(&c->lock);
	size_t n = most > c->threads ? c->threads : most, more = n > c->awake ? n - c->awake : 0;
	c->awake += (unsigned)more;
	pthread_mutex_unlock(&c->lock);
	while (more-- > 0)
		pthread_cond_signal(&c->begin);
}

/* Who finds that the disk is waited for calls the others: more than there are processors only get into each other's way otherwise. */
static void work(struct crew *c, unsigned worker)
{
	struct job *j = &c->job;
	int64_t before = now_ns();
	for (size_t i; (i = atomic_fetch_add(&j->next, 1)) < j->n;) {
		j->piece(j->ctx, worker, i);
		int64_t after = now_ns();
		if (after - before > SLOW_NS && !atomic_exchange(&j->slow, true) && i + 1 < j->n)
			wake(c, j->n - i - 1);
		before = after;
	}
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct crew *c = w->crew;
	unsigned long round = 0;
	(void)pthread_setname_np(pthread_self(), "aw-search");
	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (!c->end && (!c->open || c->round == round))
			pthread_cond_wait(&c->begin, &c->lock);
		if (c->end)
			break;
		round = c->round;
		c->busy++;
		pthread_mutex_unlock(&c->lock);
		work(c, w->number);
		pthread_mutex_lock(&c->lock);
		if (--c->busy == 0)
			pthread_cond_signal(&c->done);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* Signals are for the program's own thread. */
static void start(struct crew *c)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (c->threads + 1 < CREW_MOST) {
		struct worker *w = &c->worker[c->threads + 1];
		*w = (struct worker){ .crew = c, .number = c->threads + 1 };
		if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
			break;
		c->threads++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void crew_run(struct crew *c, size_t n, crew_piece *piece, void *ctx)
{
	if (n > 1 && !c->threads)
		start(c);
	pthread_mutex_lock(&c->lock);
	c->job.piece = piece;
	c->job.ctx = ctx;
	c->job.n = n;
	atomic_store(&c->job.next, 0);
	bool slow = atomic_exchange(&c->job.slow, false); /* the job before */
	c->open = n > 1;
	c->round++;
	c->awake = 0;
	pthread_mutex_unlock(&c->lock);
	if (n > 1)
		wake(c, slow || n < c->processors ? n - 1 : c->processors - 1);
	work(c, 0);
	pthread_mutex_lock(&c->lock);
	c->open = false; /* who has not woken by now is not waited for: on a busy machine that takes longer than the job */
	while (c->busy)
		pthread_cond_wait(&c->done, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

void crew_free(struct crew *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->end = true;
	pthread_cond_broadcast(&c->begin);
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 1; i <= c->threads; i++)
		pthread_join(c->worker[i].thread, NULL);
	pthread_cond_destroy(&c->begin);
	pthread_cond_destroy(&c->done);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
