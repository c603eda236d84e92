/* principal: whom we judge. The same words are used in the store, on the pages and in CSV. */
#ifndef LIB_PRINCIPAL_H
#define LIB_PRINCIPAL_H

enum principal_kind { PRINCIPAL_ACCOUNT, PRINCIPAL_HOST, PRINCIPAL_SCRIPT, PRINCIPAL_MX, PRINCIPAL_DOMAIN, PRINCIPAL_OWN_IP, PRINCIPAL_KINDS };

/* "account" "host" "script" "mx" "domain" "own_ip" */
const char *principal_kind_name(enum principal_kind k);
/* The kind with that name, or -1. */
int principal_kind_named(const char *name);

#endif
