#include "lib/multimatch.h"

#include <ctype.h>
#include <stdlib.h>

#include "lib/buf.h"

/* Letters, digits and the punctuation of SMTP replies; everything else is one class that resets the automaton. */
#define SYMBOLS 64
static uint8_t symbol_of(unsigned char c)
{
	static const char punctuation[] = " .,:;-_@<>()[]/'\"#%=+*!?&$";
	c = (unsigned char)tolower(c);
	if (c >= 'a' && c <= 'z')
		return (uint8_t)(1 + c - 'a');
	if (c >= '0' && c <= '9')
		return (uint8_t)(27 + c - '0');
	const char *q = c ? strchr(punctuation, c) : NULL;
	return q ? (uint8_t)(37 + (q - punctuation)) : 0;
}

struct node {
	uint32_t next[SYMBOLS];
	uint32_t fail, out; /* out: 1 + index of the first output, chained */
};

struct output {
	uint32_t id, more;
};

struct multimatch {
	struct node *node;
	size_t n, cap;
	struct output *out;
	size_t n_out, cap_out;
	uint8_t symbol[256];
};

static uint32_t node_new(struct multimatch *m)
{
	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 256;
		m->node = xrealloc(m->node, m->cap * sizeof *m->node);
	}
	memset(&m->node[m->n], 0, sizeof *m->node);
	return (uint32_t)m->n++;
}

struct multimatch *multimatch_new(void)
{
	struct multimatch *m = xcalloc(1, sizeof *m);
	for (unsigned c = 0; c < 256; c++)
		m->symbol[c] = symbol_of((unsigned char)c);
	(void)node_new(m);
	return m;
}

void multimatch_free(struct multimatch *m)
{
	if (!m)
		return;
	free(m->node);
	free(m->out);
	free(m);
}

void multimatch_add(struct multimatch *m, struct sv literal, uint32_t id)
{
	uint32_t at = 0;
	for (size_t i = 0; i < literal.n; i++) {
		uint8_t s = m->symbol[(unsigned char)literal.p[i]];
		if (!m->node[at].next[s]) {
			uint32_t fresh = node_new(m);
			m->node[at].next[s] = fresh;
		}
		at = m->node[at].next[s];
	}
	if (m->n_out == m->cap_out) {
		m->cap_out = m->cap_out ? m->cap_out * 2 : 256;
		m->out = xrealloc(m->out, m->cap_out * sizeof *m->out);
	}
	m->out[m->n_out] = (struct output){ id, m->node[at].out };
	m->node[at].out = (uint32_t)++m->n_out;
}

static void chain_output(struct multimatch *m, uint32_t to, uint32_t from)
{
	uint32_t *p = &m->node[to].out;
	while (*p)
		p = &m->out[*p - 1].more;
	*p = m->node[from].out;
}

void multimatch_seal(struct multimatch *m)
{
	uint32_t *queue = xmalloc(m->n * sizeof *queue);
	size_t head = 0, tail = 0;
	for (int s = 0; s < SYMBOLS; s++)
		if (m->node[0].next[s])
			queue[tail++] = m->node[0].next[s];
	while (head < tail) {
		uint32_t at = queue[head++];
		for (int s = 0; s < SYMBOLS; s++) {
			uint32_t child = m->node[at].next[s], via = m->node[m->node[at].fail].next[s];
			if (!child) {
				m->node[at].next[s] = via;
				continue;
			}
			m->node[child].fail = via;
			chain_output(m, child, via);
			queue[tail++] = child;
		}
	}
	free(queue);
}

void multimatch_scan(const struct multimatch *m, struct sv text, multimatch_cb *cb, void *ctx)
{
	uint32_t at = 0;
	for (size_t i = 0; i < text.n; i++) {
		at = m->node[at].next[m->symbol[(unsigned char)text.p[i]]];
		for (uint32_t o = m->node[at].out; o; o = m->out[o - 1].more)
			cb(ctx, m->out[o - 1].id);
	}
}
