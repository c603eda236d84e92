#include <gmime/gmime.h>
#include <inttypes.h>
#include <stdio.h>

#include "lib/times.h"
#include "report/letter.h"

/* Names in UTF-8: left alone, GMime looks for the oldest charset that fits. */
static void add_mailbox(GMimeMessage *m, GMimeAddressType type, const char *name, const char *address)
{
	InternetAddress *a = internet_address_mailbox_new(name, address);
	internet_address_set_charset(a, "utf-8");
	internet_address_list_add(g_mime_message_get_addresses(m, type), a);
	g_object_unref(a);
}

/* The same for the text: the bytes are given as they are. */
static void set_text(GMimePart *part, struct sv text)
{
	GMimeStream *mem = g_mime_stream_mem_new_with_buffer(text.p, text.n);
	GMimeDataWrapper *content = g_mime_data_wrapper_new_with_stream(mem, GMIME_CONTENT_ENCODING_DEFAULT);
	g_mime_part_set_content(part, content);
	g_object_unref(content);
	g_object_unref(mem);
}

static void add_headers(GMimeMessage *m, const struct conf *conf, const struct letter_due *due, const char *reply_to, int64_t now_us, struct letter *l)
{
	char number[24];
	GDateTime *date = g_date_time_new_from_unix_utc(now_us / US_PER_S);
	add_mailbox(m, GMIME_ADDRESS_TYPE_FROM, conf->notify.operator_name, conf->notify.from);
	add_mailbox(m, GMIME_ADDRESS_TYPE_TO, NULL, due->recipient);
	if (reply_to && *reply_to)
		add_mailbox(m, GMIME_ADDRESS_TYPE_REPLY_TO, NULL, reply_to);
	g_mime_message_set_subject(m, buf_cstr(&l->subject), "utf-8");
	g_mime_message_set_date(m, date);
	g_mime_message_set_message_id(m, l->message_id);
	/* RFC 3834: robots must not answer it. */
	g_mime_object_set_header(GMIME_OBJECT(m), "Auto-Submitted", "auto-generated", NULL);
	(void)snprintf(number, sizeof number, "%" PRId64, due->alert_id ? due->alert_id : due->case_id);
	g_mime_object_set_header(GMIME_OBJECT(m), due->alert_id ? "X-Abusewatch-Alert" : "X-Abusewatch-Case", number, NULL);
	g_date_time_unref(date);
}

static int to_bytes(GMimeMessage *m, struct buf *out, struct err *e)
{
	GMimeFormatOptions *format = g_mime_format_options_new();
	GMimeStream *mem = g_mime_stream_mem_new();
	g_mime_format_options_set_newline_format(format, GMIME_NEWLINE_FORMAT_DOS);
	ssize_t n = g_mime_object_write_to_stream(GMIME_OBJECT(m), format, mem);
	GByteArray *bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(mem));
	if (n > 0)
		buf_add(out, bytes->data, bytes->len);
	g_object_unref(mem);
	g_mime_format_options_free(format);
	return n > 0 ? 0 : err_set(e, "the letter could not be composed");
}

int letter_mime(const struct conf *conf, const struct letter_due *due, const char *reply_to, int64_t now_us, struct letter *l, struct err *e)
{
	static bool started;
	if (!started)
		g_mime_init();
	started = true;
	GMimeMessage *m = g_mime_message_new(TRUE);
	GMimeTextPart *part = g_mime_text_part_new_with_subtype("plain");
	add_headers(m, conf, due, reply_to, now_us, l);
	g_mime_text_part_set_charset(part, "utf-8");
	set_text(GMIME_PART(part), buf_sv(&l->body));
	/* Log lines are long: quoted-printable keeps every relay happy. */
	g_mime_part_set_content_encoding(GMIME_PART(part), GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
	g_mime_message_set_mime_part(m, GMIME_OBJECT(part));
	int bad = to_bytes(m, &l->message, e);
	g_object_unref(part);
	g_object_unref(m);
	return bad;
}
