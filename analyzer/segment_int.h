/* segment_int: the numbering of a segment's sections, shared by its writer and its reader only. */
#ifndef ANALYZER_SEGMENT_INT_H
#define ANALYZER_SEGMENT_INT_H

#include <stdint.h>

#define M_TEXT(name) SECTION_M_##name,
#define M_INT(name, type) SECTION_M_##name,
#define R_TEXT(name) SECTION_R_##name,
#define R_INT(name, type) SECTION_R_##name,
enum section {
	SECTION_HASH,    /* u64 per string, ascending */
	SECTION_OFFSET,  /* u32 per string and one more */
	SECTION_TEXT,    /* the strings, one after the other */
	SECTION_RCPT,    /* u32 per message and one more: first recipient */
#include "analyzer/segment_cols.def"
	SECTIONS
};
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT

struct segment_section { uint64_t offset; uint32_t raw, stored; };
struct segment_header {
	char magic[8];
	uint32_t messages, recipients, strings, sections;
	struct segment_section section[SECTIONS];
};
#define SEGMENT_MAGIC "AWSEG1\0"
#define SEGMENT_RAW_MAX (1u << 30) /* no section unpacks to more: a damaged file must not eat the memory */

#endif
