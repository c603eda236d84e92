/* Rows in the four formats. NDJSON is written as it comes; the others pick columns out of it. */
#include "ctl/logs.h"

#include <json-c/json.h>
#include <stdlib.h>

#include "lib/csv.h"
#include "lib/plain.h"

#define OUT_BYTES (256u << 10)

struct logs_out {
	int format;
	const char *const *columns;
	size_t n_columns;
	uint64_t rows;
	struct buf buf;
};

struct logs_out *logs_out_new(int format, const char *const *columns, size_t n)
{
	struct logs_out *o = xcalloc(1, sizeof *o);
	*o = (struct logs_out){ .format = format, .columns = columns, .n_columns = n };
	if (format == FORMAT_JSON)
		buf_puts(&o->buf, "[");
	for (size_t i = 0; i < n && (format == FORMAT_CSV || format == FORMAT_TABLE); i++) {
		buf_puts(&o->buf, i ? format == FORMAT_CSV ? "," : "\t" : "");
		buf_puts(&o->buf, columns[i]);
	}
	if (format == FORMAT_CSV || format == FORMAT_TABLE)
		buf_puts(&o->buf, format == FORMAT_CSV ? "\r\n" : "\n");
	return o;
}

static void flush(struct logs_out *o)
{
	if (o->buf.n)
		(void)fwrite(o->buf.p, 1, o->buf.n, stdout);
	buf_clear(&o->buf);
}

static void table_cell(struct buf *b, bool first, const char *s)
{
	if (!first)
		buf_addc(b, '\t');
	plain_show(b, sv_cstr(s), "");
}

static void row(struct logs_out *o, struct sv ndjson)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *obj = json_tokener_parse_ex(tok, ndjson.p, (int)ndjson.n);
	for (size_t i = 0; obj && i < o->n_columns; i++) {
		struct json_object *v = NULL;
		(void)json_object_object_get_ex(obj, o->columns[i], &v);
		const char *text = v ? json_object_get_string(v) : "";
		if (o->format == FORMAT_CSV)
			csv_put(&o->buf, i == 0, sv_cstr(text));
		else
			table_cell(&o->buf, i == 0, text);
	}
	buf_puts(&o->buf, o->format == FORMAT_CSV ? "\r\n" : "\n");
	json_object_put(obj);
	json_tokener_free(tok);
}

void logs_out_add(struct logs_out *o, struct sv ndjson)
{
	if (o->format == FORMAT_NDJSON) {
		buf_addsv(&o->buf, ndjson);
	} else if (o->format == FORMAT_JSON) {
		buf_puts(&o->buf, o->rows ? ",\n" : "\n");
		buf_add(&o->buf, ndjson.p, ndjson.n - 1);
	} else {
		row(o, ndjson);
	}
	o->rows++;
	if (o->buf.n >= OUT_BYTES)
		flush(o);
}

void logs_out_free(struct logs_out *o)
{
	if (o->format == FORMAT_JSON)
		buf_puts(&o->buf, "\n]\n");
	flush(o);
	buf_fini(&o->buf);
	free(o);
}
