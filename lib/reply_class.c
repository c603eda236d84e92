#include "lib/reply_class.h"

static const char *const names[] = {
#define C(e, name) name,
	REPLY_CLASSES(C)
#undef C
};

const char *reply_class_name(uint8_t c)
{
	return names[c < REPLY_CLASS_COUNT ? c : 0];
}

int reply_class_named(struct sv name)
{
	for (int i = 0; i < REPLY_CLASS_COUNT; i++)
		if (sv_eq(name, sv_cstr(names[i])))
			return i;
	return -1;
}
