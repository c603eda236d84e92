/* sandbox: a program that reads what strangers wrote gives up what it does not need: no new privileges, and by Landlock (Linux
 * 5.13 and later) no files but those below the named folders. Where the kernel lacks it, a log line says so and the
 * program goes on. Applies to the calling thread and everything it starts: call it before threads. */
#ifndef LIB_SANDBOX_H
#define LIB_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* All zero: nothing. Given back by sandbox_enter(). */
struct sandbox { struct sandbox_path { char *path; bool write; } *v; size_t n; };

/* Files and folders below path may be read, or also written, made and removed. A path that does not exist is passed over.
 * NULL and "" too. */
void sandbox_allow(struct sandbox *s, const char *path, bool write);
/* The folder that holds path; where path is a link, that of its target, too. */
void sandbox_allow_folder_of(struct sandbox *s, const char *path, bool write);
/* What every program reads: zone files, the resolver's, certificates. */
void sandbox_allow_system(struct sandbox *s);
/* From here on nothing else. True when the kernel enforces it. */
bool sandbox_enter(struct sandbox *s);
/* Whether it was entered, and enforced. */
bool sandbox_entered(void);
/* Whether path cannot be read since then. */
bool sandbox_denies(const char *path);

#endif
