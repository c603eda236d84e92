#include "lib/principal.h"

#include <string.h>

static const char *const principal_names[] = { "account", "host", "script", "mx", "domain", "own_ip" };

const char *principal_kind_name(enum principal_kind k)
{
	return principal_names[k];
}

int principal_kind_named(const char *name)
{
	for (int i = 0; i < PRINCIPAL_KINDS; i++)
		if (strcmp(name, principal_names[i]) == 0)
			return i;
	return -1;
}
