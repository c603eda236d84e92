/* packed: columns of whole numbers in as few bits as they need. Either by their range (frame of reference: value = base + scale × bits), or,
 * when there are few different ones, as numbers of a table in front. Any one is read without unpacking the others; a column of one value
 * takes no bytes. Little endian, PACKED_SLACK bytes follow the last one. */
#ifndef ANALYZER_PACKED_H
#define ANALYZER_PACKED_H

#include "lib/buf.h"

#define PACKED_SLACK 8u
#define PACKED_WIDE 56u  /* more bits than this are stored as 64 */
#define PACKED_TABLE 255u /* most different values that a table holds */

struct packed { uint32_t width, table; int64_t base; uint64_t scale; }; /* table: values in it, 0 = none */

static inline size_t packed_bytes(const struct packed *k, size_t n)
{
	return (size_t)k->table * 8 + (k->width ? (n * k->width + 7) / 8 + PACKED_SLACK : 0);
}

static inline int64_t packed_get(const struct packed *k, const char *p, size_t i)
{
	const char *bits = p + (size_t)k->table * 8;
	uint64_t w = 0;
	if (k->width == 64) {
		memcpy(&w, bits + i * 8, 8);
	} else if (k->width) {
		size_t bit = i * k->width;
		memcpy(&w, bits + (bit >> 3), 8);
		w = w >> (bit & 7) & ((1ull << k->width) - 1);
	}
	if (k->table) {
		int64_t v;
		memcpy(&v, p + (w < k->table ? w : 0) * 8, sizeof v);
		return v;
	}
	return (int64_t)((uint64_t)k->base + k->scale * w);
}

/* The bits that stand for v; false when no row can hold it. */
static inline bool packed_code(const struct packed *k, const char *p, int64_t v, uint64_t *ret)
{
	if (k->table) {
		for (uint32_t i = 0; i < k->table; i++) {
			int64_t x;
			memcpy(&x, p + i * sizeof x, sizeof x);
			if (x == v) {
				*ret = i;
				return true;
			}
		}
		return false;
	}
	uint64_t d = (uint64_t)v - (uint64_t)k->base;
	*ret = d / k->scale;
	return v >= k->base && d % k->scale == 0 && (k->width == 64 || *ret < 1ull << k->width);
}

/* Calls found for every row of n that holds v, in ascending order, until it returns false. Compares bits, not numbers. */
typedef bool packed_found(void *ctx, size_t row);
void packed_find(const struct packed *k, const char *p, size_t n, int64_t v, packed_found *found, void *ctx);

/* Appends n numbers; says how. */
struct packed packed_put(struct buf *out, const int64_t *v, size_t n);
/* The same in two steps, where there are two ways to write something: how it would be packed, with room for its different values, and the packing. */
struct packed_table { int64_t value[PACKED_TABLE]; uint8_t slot[1024]; uint32_t n; };
struct packed packed_plan(const int64_t *v, size_t n, struct packed_table *ret_table);
void packed_put_planned(struct buf *out, const struct packed *k, const struct packed_table *t, const int64_t *v, size_t n);

#endif
