#include "lib/err.h"

#include <stdarg.h>
#include <stdio.h>

int err_set(struct err *e, const char *fmt, ...)
{
	if (e) {
		va_list ap;
		va_start(ap, fmt);
		(void)vsnprintf(e->text, sizeof e->text, fmt, ap);
		va_end(ap);
	}
	return -1;
}
