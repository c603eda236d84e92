#include "collector/capture/file.h"

#include <pcap/pcap.h>
#include <stdlib.h>

#include "collector/capture/packet.h"
#include "lib/buf.h"

#define LINKS 8

struct filter {
	char *text;
	struct { int link; struct bpf_program program; } of[LINKS];
	size_t n;
};

struct filter *filter_new(const char *expression, struct err *e)
{
	struct filter *f = xcalloc(1, sizeof *f);
	f->text = xstrdup(expression);
	if (filter_for(f, LINK_ETHERNET, e) == 0)
		return f;
	filter_free(f);
	return NULL;
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		pcap_freecode(&f->of[i].program);
	free(f->text);
	free(f);
}

/* The library's own numbers differ for raw IP. */
static int dlt_of(int link)
{
	return link == LINK_RAW ? DLT_RAW : link;
}

int filter_for(struct filter *f, int link, struct err *e)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->of[i].link == link)
			return 0;
	if (f->n == LINKS)
		return err_set(e, "a file with more than %d link types", LINKS);
	pcap_t *p = pcap_open_dead(dlt_of(link), 262144);
	if (!p)
		return err_set(e, "out of memory");
	int bad = pcap_compile(p, &f->of[f->n].program, f->text, 1, PCAP_NETMASK_UNKNOWN);
	if (bad)
		(void)err_set(e, "the expression \"%s\" is none that can be used: %s (see pcap-filter(7))", f->text, pcap_geterr(p));
	else
		f->of[f->n++].link = link;
	pcap_close(p);
	return bad ? -1 : 0;
}

bool filter_takes(const struct filter *f, int link, const uint8_t *frame, uint32_t captured, uint32_t length)
{
	struct pcap_pkthdr h = { .caplen = captured, .len = length };
	for (size_t i = 0; i < f->n; i++)
		if (f->of[i].link == link)
			return pcap_offline_filter(&f->of[i].program, &h, frame) != 0;
	return false;
}
