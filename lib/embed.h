/* embed: files built into a program (mk/embed.c). Tables end with name == NULL. */
#ifndef LIB_EMBED_H
#define LIB_EMBED_H

#include <stddef.h>

struct embed {
	const char *name;
	const unsigned char *bytes; /* NUL-terminated beyond n */
	size_t n;
};

#endif
