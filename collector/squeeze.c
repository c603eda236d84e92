#include "collector/squeeze.h"

#ifdef WITH_ZSTD
#include <zdict.h>
#include <zstd.h>
#endif

#include "lib/msg.h"

#define DICTIONARY_BYTES (8u << 10)
#define DICTIONARY_HEAD 512u /* at most; what is said of the samples as a whole */
#define SAMPLE_BYTES 4096u
#define PACK_LEVEL 3
#define RAW_MAX (64u << 20)

#ifdef WITH_ZSTD
/* What a frame begins with: magic number, flags (none), window (unpacking at once needs none), and its only block's head, of which only how
 * long the block is differs, which is known. All that is left out; frames of several blocks (of messages of very many recipients) are kept whole. */
#define FRAME_HEAD { '\x28', '\xb5', '\x2f', '\xfd', '\0', '\x58', '\0', '\0', '\0' }
#define HEAD_BYTES 9u
#define WINDOW_AT 5u
#define BLOCK_AT 6u

static void frame_head(size_t packed_n, char window, char ret[HEAD_BYTES])
{
	static const char head[HEAD_BYTES] = FRAME_HEAD;
	size_t block = packed_n << 3 | 2 << 1 | 1; /* packed; the last one */
	memcpy(ret, head, HEAD_BYTES);
	ret[WINDOW_AT] = window;
	for (unsigned i = 0; i < 3; i++)
		ret[BLOCK_AT + i] = (char)(block >> 8 * i);
}

/* False: it is no dictionary (one of a snapshot may be damaged). */
static bool use_dictionary(struct squeeze *q)
{
	q->pack = ZSTD_createCCtx();
	q->unpack = ZSTD_createDCtx();
	q->pack_by = ZSTD_createCDict(q->dictionary.p, q->dictionary.n, PACK_LEVEL);
	q->unpack_by = ZSTD_createDDict(q->dictionary.p, q->dictionary.n);
	if (!q->pack || !q->unpack || !q->pack_by || !q->unpack_by)
		return false;
	(void)ZSTD_CCtx_setParameter(q->pack, ZSTD_c_contentSizeFlag, 0);
	(void)ZSTD_CCtx_setParameter(q->pack, ZSTD_c_dictIDFlag, 0);
	return !ZSTD_isError(ZSTD_CCtx_refCDict(q->pack, q->pack_by));
}

void squeeze_learn(struct squeeze *q, struct sv raw)
{
	if (q->dictionary.n || raw.n > SAMPLE_BYTES)
		return;
	q->sample_n[q->n_samples++] = raw.n;
	buf_addsv(&q->samples, raw);
	if (q->n_samples < SQUEEZE_SAMPLES)
		return;
	buf_reserve(&q->dictionary, DICTIONARY_BYTES);
	/* The newest samples are what others are compared with; choosing the best pieces of all would take three times as long and gain little. */
	size_t content = q->samples.n < DICTIONARY_BYTES - DICTIONARY_HEAD ? q->samples.n : DICTIONARY_BYTES - DICTIONARY_HEAD;
	const char *newest = q->samples.p + q->samples.n - content;
	ZDICT_params_t how = { .compressionLevel = PACK_LEVEL };
	size_t n = ZDICT_finalizeDictionary(q->dictionary.p, DICTIONARY_BYTES, newest, content, q->samples.p, q->sample_n, q->n_samples, how);
	if (ZDICT_isError(n))
		memcpy(q->dictionary.p, newest, n = content);
	q->dictionary.n = n;
	buf_fini(&q->samples);
	if (!use_dictionary(q))
		panic("no memory to pack messages");
}

bool squeeze_pack(struct squeeze *q, struct sv raw)
{
	char head[HEAD_BYTES];
	if (!q->pack || raw.n > RAW_MAX) /* more would not be unpacked */
		return false;
	size_t most = ZSTD_compressBound(raw.n);
	buf_clear(&q->packed);
	buf_reserve(&q->packed, most);
	size_t n = ZSTD_compress2(q->pack, q->packed.p, most, raw.p, raw.n);
	if (ZSTD_isError(n) || n < HEAD_BYTES || n - HEAD_BYTES >= raw.n)
		return false;
	q->packed.n = n;
	frame_head(n - HEAD_BYTES, q->packed.p[WINDOW_AT], head);
	q->whole = memcmp(q->packed.p, head, HEAD_BYTES) != 0;
	if (!q->whole)
		buf_drop(&q->packed, HEAD_BYTES);
	return true;
}

bool squeeze_unpack(struct squeeze *q, struct sv packed, bool whole, size_t raw_n, struct buf *ret)
{
	static const char usual[] = FRAME_HEAD;
	char head[HEAD_BYTES];
	if (!q->unpack || raw_n > RAW_MAX)
		return false;
	frame_head(packed.n, usual[WINDOW_AT], head);
	buf_clear(&q->packed);
	buf_add(&q->packed, head, whole ? 0 : HEAD_BYTES);
	buf_addsv(&q->packed, packed);
	buf_clear(ret);
	buf_reserve(ret, raw_n + 1);
	ret->n = raw_n;
	return ZSTD_decompress_usingDDict(q->unpack, ret->p, raw_n, q->packed.p, q->packed.n, q->unpack_by) == raw_n;
}

static void end_packing(struct squeeze *q)
{
	ZSTD_freeCCtx(q->pack);
	ZSTD_freeDCtx(q->unpack);
	ZSTD_freeCDict(q->pack_by);
	ZSTD_freeDDict(q->unpack_by);
}
#else
static bool use_dictionary(struct squeeze *q) { return (void)q, false; }
void squeeze_learn(struct squeeze *q, struct sv raw) { (void)q, (void)raw; }
bool squeeze_pack(struct squeeze *q, struct sv raw) { return (void)q, (void)raw, false; }
bool squeeze_unpack(struct squeeze *q, struct sv packed, bool whole, size_t raw_n, struct buf *ret) { return (void)q, (void)packed, (void)whole, (void)raw_n, (void)ret, false; }
static void end_packing(struct squeeze *q) { (void)q; }
#endif

void squeeze_fini(struct squeeze *q)
{
	end_packing(q);
	buf_fini(&q->dictionary);
	buf_fini(&q->samples);
	buf_fini(&q->packed);
}

void squeeze_save(const struct squeeze *q, struct buf *out)
{
	wire_put_sv(out, q ? buf_sv(&q->dictionary) : sv_make("", 0));
	unsigned n = q && !q->dictionary.n ? q->n_samples : 0;
	wire_put_u(out, n);
	for (size_t i = 0, at = 0; i < n; at += q->sample_n[i++])
		wire_put_sv(out, sv_make(buf_sv(&q->samples).p + at, q->sample_n[i]));
}

void squeeze_load(struct squeeze *q, struct wire *w)
{
	struct sv dictionary = wire_get_sv(w);
	uint64_t n = wire_get_u(w);
	if (w->bad || n >= SQUEEZE_SAMPLES || dictionary.n > DICTIONARY_BYTES) {
		wire_spoil(w);
		return;
	}
	for (uint64_t i = 0; i < n && !w->bad; i++) {
		struct sv sample = wire_get_sv(w);
		q->sample_n[q->n_samples++] = sample.n;
		buf_addsv(&q->samples, sample);
	}
	if (w->bad || !dictionary.n)
		return;
	buf_addsv(&q->dictionary, dictionary);
	if (!use_dictionary(q))
		wire_spoil(w);
}
