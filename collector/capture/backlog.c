#include "collector/capture/backlog.h"

struct entry { uint64_t seq; uint32_t n; };

static struct entry entry_at(const struct backlog *b, size_t at)
{
	struct entry e;
	memcpy(&e, b->bytes.p + at, sizeof e);
	return e;
}

void backlog_fini(struct backlog *b)
{
	buf_fini(&b->bytes);
	*b = (struct backlog){ 0 };
}

static void forget_oldest(struct backlog *b)
{
	struct entry e = entry_at(b, b->head);
	b->head += sizeof e + e.n;
}

/* Bytes are moved only when that halves them. */
static void tidy(struct backlog *b)
{
	if (b->head < b->bytes.n / 2 && b->head < BACKLOG_WAIT)
		return;
	buf_drop(&b->bytes, b->head);
	b->next -= b->head;
	b->head = 0;
}

bool backlog_put(struct backlog *b, uint64_t seq, struct sv frame)
{
	struct entry e = { .seq = seq, .n = (uint32_t)frame.n };
	if (backlog_waiting(b) + frame.n > BACKLOG_WAIT)
		return false;
	buf_add(&b->bytes, &e, sizeof e);
	buf_addsv(&b->bytes, frame);
	return true;
}

void backlog_take(struct backlog *b, struct buf *out, size_t most)
{
	while (b->next < b->bytes.n && out->n < most) {
		struct entry e = entry_at(b, b->next);
		buf_add(out, b->bytes.p + b->next + sizeof e, e.n);
		b->next += sizeof e + e.n;
	}
	while (b->next - b->head > BACKLOG_SENT) {
		b->forgotten = entry_at(b, b->head).seq;
		forget_oldest(b);
	}
	tidy(b);
}

uint64_t backlog_rewind(struct backlog *b, uint64_t applied)
{
	if (applied > b->applied) /* a store that was put back has less than what an earlier one had */
		b->applied = applied;
	uint64_t lost = b->forgotten > b->applied ? b->forgotten - b->applied : 0;
	if (lost)
		b->applied = b->forgotten;
	while (b->head < b->next && entry_at(b, b->head).seq <= applied)
		forget_oldest(b);
	b->next = b->head;
	tidy(b);
	return lost;
}
