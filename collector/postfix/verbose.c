/* What "-v" and debug_peer_list add: which function did what, and the dialogue. Nothing of it is news, the usual lines say it, too. */
#include "collector/postfix/postfix.h"

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* "maps_find: …", "name_mask: …", "unknown_address_tempfail_action = …": a name of the source's, of several words. */
static bool names_function(struct sv s)
{
	size_t n = 0;
	bool words = false;
	for (; n < s.n && is_name_char(s.p[n]); n++)
		words = words || (n && s.p[n] == '_');
	return words && (n == s.n || s.p[n] == ':' || s.p[n] == ' ' || s.p[n] == '[');
}

bool postfix_verbose(struct sv s)
{
	static const struct sv begins[] = {
		SCAN_S("> "), SCAN_S("< "), SCAN_S(">>> "), SCAN_S("--- "), SCAN_S("`"), SCAN_S("input attribute "), SCAN_S("send attr "), SCAN_S("connect to subsystem "),
		SCAN_S("connection established"), SCAN_S("connection closed"), SCAN_S("after input_transp_cleanup: "), SCAN_S("before input_transp_cleanup: "),
		SCAN_S("cleanup flags = "), SCAN_S("extracted envelope "), SCAN_S("initial envelope "), SCAN_S("record "), SCAN_S("request: "), SCAN_S("request ignored"),
		SCAN_S("start sorted "), SCAN_S("end sorted "), SCAN_S("start move queue "), SCAN_S("end move queue "), SCAN_S("done "), SCAN_S("open "), SCAN_S("fsspace: "),
		SCAN_S("chroot "), SCAN_S("process generation: "), SCAN_S("host name lookup methods: "), SCAN_S("allowlisting "),
	};
	struct sv t = s, id;
	if (SCAN_ANY(s, begins) || names_function(s) || sv_find(sv_take(s, 96), SV(": wanted attribute: ")) > 0)
		return true;
	return postfix_queue_id(&t, &id) && sv_starts(t, SV("recipient limit "));
}
