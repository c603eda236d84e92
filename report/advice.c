#include "report/advice.h"

#include <stddef.h>
#include <string.h>

const char *advice_for(const char *kind)
{
	static const struct { const char *kind, *text; } table[] = {
		{ "stolen-account", "Lock the account or its sending now, delete its mail from the queue, and have the customer look for malware before the password is "
		                    "changed. Look for forwarding rules that the thief left." },
		{ "script-compromise", "Stop the mail of this user, delete its mail from the queue, and find the script (X-PHP-Originating-Script, files changed since the first "
		                       "message). Closing the hole matters more than deleting the script." },
		{ "infected-host", "Block the address from relaying and from port 25 until it is clean. If it stands for several machines (NAT), name the time and the "
		                   "destinations to the customer." },
		{ "open-relay", "Stop relaying for the server, delete its mail from the queue, and test it once the customer says that it is closed: such servers often open "
		                "again after an update." },
		{ "guest-relay", "Disable the account, delete its mail from the queue, and look for other guest and test accounts of the customer." },
		{ "backscatter", "Get a list of valid recipients, or verify them at the primary, and refuse the others at RCPT. Until then do not send notices for this domain." },
		{ "list-hygiene", "No break-in by the signs. Ask the customer where the addresses are from, and to remove those that were refused." },
		{ "forwarder", "No break-in by the signs. Ask the customer to filter before forwarding and to forward with a sender of its own (SRS)." },
		{ "listing", "Stop who caused it first, then ask each list for removal: the way off stands beside it. Until then send through another address." },
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].kind, kind) == 0)
			return table[i].text;
	return "";
}
