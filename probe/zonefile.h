/* zonefile: a block list that lies here as a file in rbldnsd's format (rbldnsd(8)), for scans of whole networks without DNS. Types ip4set, ip4trie, ip4tset,
 * ip6trie, ip6tset and dnset. The most specific entry wins, also an exclusion (!). The file is read again when it changes. */
#ifndef PROBE_ZONEFILE_H
#define PROBE_ZONEFILE_H

#include <stdio.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/prefix.h"

struct zonefile;

/* spec: "TYPE:PATH". NULL and e when the type is unknown or the file cannot be read. */
struct zonefile *zonefile_open(const char *spec, struct err *e);
/* The same out of an open stream, which stays open; it is never read again. */
struct zonefile *zonefile_read(const char *type, FILE *in);
void zonefile_close(struct zonefile *f);
/* The answer for it, 0 when it is not listed; *ret_text: the entry's text as it stands in the file, borrowed until the next refresh. v6: a mapped
 * address is meant as IPv6. */
uint32_t zonefile_address(const struct zonefile *f, const struct ipaddr *a, bool v6, struct sv *ret_text);
uint32_t zonefile_domain(const struct zonefile *f, struct sv domain, struct sv *ret_text);
/* The entry's text with the target in place of each $. */
void zonefile_text(struct sv text, struct sv target, struct buf *ret);
/* Reads it again when it changed; what was read before stays when that fails. */
void zonefile_refresh(struct zonefile *f);
/* enum health: good, silent (nothing in it), unreachable (older than a copy may be). */
uint8_t zonefile_health(const struct zonefile *f, int64_t now_us);
/* Lines that were understood, and that were not. */
void zonefile_lines(const struct zonefile *f, size_t *ret_entries, size_t *ret_bad);

#endif
