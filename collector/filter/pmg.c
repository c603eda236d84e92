/* Proxmox Mail Gateway's filter. */
#include "collector/filter/filter.h"

/* "C0FFEE5B6A8F11E1481: accept mail to <b> (Q) (rule: default-accept)", "…: moved mail for <b> to spam quarantine - N (rule: …)",
 * "…: block mail to <b> (rule: …)": one a recipient. The first id is the filter's own, Q the one under which Postfix takes the message back. */
void filter_pmg(struct sv s, struct record *r)
{
	static const struct { struct sv text, status; } places[] = {
		{ SCAN_S(" to spam quarantine "), SCAN_S("spam") }, { SCAN_S(" to virus quarantine "), SCAN_S("infected") },
		{ SCAN_S(" to attachment quarantine "), SCAN_S("banned") },
	};
	struct sv id;
	if (!scan_before(&s, SV(": "), &id) || id.n > 32)
		return;
	if (scan_lit(&s, SV("accept mail to "))) {
		if (scan_angle(&s, &r->recipient) && scan_lit(&s, SV(" (")) && scan_until(&s, ')', &id)) {
			filter_set(&r->queue_id, id);
			r->status = SV("pass");
		}
	} else if (scan_lit(&s, SV("block mail to "))) {
		if (scan_angle(&s, &r->recipient))
			r->status = SV("reject");
	} else if (scan_lit(&s, SV("moved mail for ")) && scan_angle(&s, &r->recipient)) {
		for (size_t i = 0; i < sizeof places / sizeof *places; i++)
			if (sv_starts(s, places[i].text))
				r->status = places[i].status;
	}
}
