/* abusewatch.conf: values, defaults, and that every mistake of a bad file is told with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/csv.h"

static char dir[64];

struct opts { int64_t cap; };
static const struct opt_row rows[] = { { "cap", OPT_INT, offsetof(struct opts, cap), "16", 1, 64, "nats", "the most it says" }, { .name = NULL } };
static const struct opt_table new_rcpt = { "detector", "new-rcpt", rows, sizeof(struct opts) };
static const struct opt_table postfix = { "mta", "postfix", NULL, 0 };
static const struct opt_table english = { "language", "en", NULL, 0 }, german = { "language", "de", NULL, 0 };
static const struct opt_table *const tables[] = { &new_rcpt, &postfix, &english, &german };

static char *path_of(const char *name)
{
	static char p[128];
	(void)snprintf(p, sizeof p, "%s/%s", dir, name);
	return p;
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void collect(void *ctx, const char *file, int line, const char *text)
{
	const char *slash = strrchr(file, '/');
	buf_printf(ctx, "%s:%d: %s\n", slash ? slash + 1 : file, line, text);
}

/* Loads text as abusewatch.conf; the mistakes go to out. */
static struct conf *load(const char *text, struct buf *out)
{
	write_file("abusewatch.conf", text);
	buf_clear(out);
	struct conf *c = conf_load(path_of("abusewatch.conf"), tables, 4, collect, out);
	(void)buf_cstr(out);
	return c;
}

static void expect(const struct buf *out, const char *const *want)
{
	for (size_t i = 0; want[i]; i++)
		if (!strstr(out->p, want[i]))
			fail_msg("not told: %s\nbut:\n%s", want[i], out->p);
}

static size_t lines_in(const struct buf *b)
{
	size_t n = 0;
	for (size_t i = 0; i < b->n; i++)
		n += b->p[i] == '\n';
	return n;
}

static void test_smallest(void **state)
{
	struct buf out = { 0 };
	(void)state;
	write_file("customers.csv", "customer,contact,language,kind,value\nC9,abuse@c9.example,en,prefix,198.18.4.0/22\nC9,abuse@c9.example,,account,\"ann@c9.example\"\n");
	struct conf *c = load("store          = \"abusewatch.db\"   # comment\n"
	                      "networks       = { \"198.18.0.0/15\", \"198.51.100.0/24\" }\n"
	                      "egress         = { \"198.51.100.25\" }\n"
	                      "local-domains  = { \"isp.example\" }\n"
	                      "backup-domains = { \"customer.example=mail.customer.example\" }\n"
	                      "customers      = \"customers.csv\"\n"
	                      "source \"mx1\"   { type = \"file\"  path = \"/var/log/mail.log\"  mta = \"postfix\" }\n", &out);
	assert_string_equal(out.p, "");
	assert_non_null(c);
	assert_string_equal(c->store, path_of("abusewatch.db"));
	assert_string_equal(c->state_dir, dir);
	assert_string_equal(c->web.users_file, path_of("users"));
	assert_string_equal(c->web.base_url, "http://127.0.0.1:8025");
	assert_string_equal(conf_control_socket(c).s, path_of("control.sock"));
	assert_int_equal(c->networks.n, 2);
	assert_int_equal(c->n_source, 1);
	assert_string_equal(c->source[0].name, "mx1");
	assert_string_equal(c->source[0].timezone, "local");
	assert_int_equal(c->source[0].line, 7);
	assert_int_equal(c->n_customer, 2);
	assert_int_equal(c->customer[0].kind, CUSTOMER_PREFIX);
	assert_string_equal(c->customer[1].value, "ann@c9.example");
	assert_string_equal(c->backup[0].primary, "mail.customer.example");
	assert_int_equal(c->keep_messages_days, 30);
	assert_false(c->notify.enabled);
	assert_int_equal(c->notify.cooldown_s, 86400);
	conf_free(c);
	buf_fini(&out);
}

static void test_everything(void **state)
{
	struct buf out = { 0 };
	(void)state;
	setenv("TEST_CONF_DESK", "desk@isp.example", 1);
	write_file("more.conf", "relay-domains = { a.example, b.example, }\n");
	struct conf *c = load("include(\"more.conf\")\n"
	                      "store = db/aw.db\nstate-dir = run\nlog { level = debug dest = journal }\n"
	                      "customer \"C1\" { contact = \"ops@c1.example\" language = de\n accounts = { a@c1.example, b@c1.example }\n"
	                      " prefixes = { 2001:db8::/32 } uids = { 1001 } domains = { c1.example } }\n"
	                      "detector \"new-rcpt\" { enabled = false cap = 12 }\n"
	                      "retention { messages = 2w cases = 400d }\n"
	                      "source a { path = \"/var/log/mail*.log\" timezone = \"+02:00\" max-open = 64M }\n"
	                      "source b { path = x.log timezone = UTC }\n"
	                      "notify { enabled = yes from = a@isp.example via = smtp desk = \"${TEST_CONF_DESK}\" cooldown = 12h min-level = confirmed }\n"
	                      "web { listen = \"[::1]:8443\" base-url = \"https://abuse.isp.example/\" session = 1h }\n", &out);
	assert_string_equal(out.p, "");
	assert_non_null(c);
	assert_int_equal(c->relay_domains.n, 2);
	assert_string_equal(c->state_dir, path_of("run"));
	assert_int_equal(c->n_customer, 5);
	assert_string_equal(c->customer[4].value, "1001");
	assert_string_equal(c->customer[3].language, "de");
	assert_true(c->rule[0].says_enabled && !c->rule[0].enabled);
	assert_string_equal(c->rule[0].opt_text[0], "12");
	assert_int_equal(c->keep_messages_days, 14);
	assert_int_equal(c->source[0].max_open_bytes, 64 << 20);
	assert_string_equal(c->source[1].path, path_of("x.log"));
	assert_true(c->notify.enabled);
	assert_string_equal(c->notify.desk, "desk@isp.example");
	assert_string_equal(c->web.base_url, "https://abuse.isp.example");
	conf_free(c);
	buf_fini(&out);
}

static void test_all_mistakes(void **state)
{
	static const char *const want[] = {
		"abusewatch.conf:1: unknown setting stor; did you mean store?",
		"abusewatch.conf:3: networks: \"198.51.100.7/24\" has bits set beyond the prefix length; the network is 198.51.100.0/24",
		"abusewatch.conf:4: networks: \"nonsense\" is neither",
		"abusewatch.conf:5: egress is set a second time",
		"abusewatch.conf:6: backup-domains: \"customer.example\": write domain=primary",
		"abusewatch.conf:7: customers: cannot read",
		"abusewatch.conf:8: source \"mx1\" has no path",
		"abusewatch.conf:8: type = \"fiel\" is unknown; write file, syslog, journal, command, stdin or archive; did you mean file?",
		"abusewatch.conf:9: source \"mx1\" is there already (line 8)",
		"abusewatch.conf:9: mta = \"postfox\" is unknown; write postfix or auto; did you mean postfix?",
		"abusewatch.conf:9: timezone: \"Mars/Olympus\" is no known time zone",
		"abusewatch.conf:10: unknown section detecter; did you mean detector?",
		"abusewatch.conf:11: unknown detector \"new-rctp\"; did you mean new-rcpt?",
		"abusewatch.conf:12: cap must lie between 1 and 64 nats",
		"abusewatch.conf:12: unknown option cpa in detector \"new-rcpt\"; did you mean cap?",
		"abusewatch.conf:13: messages: \"30 days\" is not a duration",
		"abusewatch.conf:13: cases: \"5h\" is less than a day",
		"abusewatch.conf:14: enabled: \"perhaps\" is neither true nor false",
		"abusewatch.conf:14: via = \"smpt\" is unknown; write sendmail or smtp; did you mean smtp?",
		"abusewatch.conf:14: listen does not belong into section notify; it belongs into section web",
		"abusewatch.conf:15: listen: \"localhost\": write address:port",
		"abusewatch.conf:16: language: there are no letters in language \"xx\"",
		"abusewatch.conf:16: uids: \"root\" is not a numeric user id",
		"abusewatch.conf:17: store takes one value, not a list",
		"abusewatch.conf:18: networks is a setting, not a section",
		"abusewatch.conf:19: a section source needs a name",
		NULL
	};
	struct buf out = { 0 };
	(void)state;
	assert_null(load("stor = \"x.db\"\n"
	                 "networks = {\n\t\"198.51.100.7/24\",\n\t\"nonsense\" }\n"
	                 "egress = { 198.51.100.25 } egress = { 198.51.100.26 }\n"
	                 "backup-domains = { \"customer.example\" }\n"
	                 "customers = \"absent.csv\"\n"
	                 "source \"mx1\" { type = fiel }\n"
	                 "source \"mx1\" { path = \"/var/log/mail.log\" mta = postfox timezone = \"Mars/Olympus\" }\n"
	                 "detecter \"new-rcpt\" { cap = 5 }\n"
	                 "detector \"new-rctp\" { }\n"
	                 "detector \"new-rcpt\" { cap = 65 cpa = 3 }\n"
	                 "retention { messages = \"30 days\" cases = 5h }\n"
	                 "notify { enabled = perhaps via = smpt listen = \"127.0.0.1:1\" }\n"
	                 "web { listen = localhost }\n"
	                 "customer C1 { language = xx uids = { root } }\n"
	                 "store = { a, b }\n"
	                 "networks { }\n"
	                 "source { path = x }\n", &out));
	expect(&out, want);
	assert_int_equal(lines_in(&out), sizeof want / sizeof *want - 1);
	buf_fini(&out);
}

static void test_syntax(void **state)
{
	static const char *const want[] = {
		"abusewatch.conf:1: networks: a comma is missing before \"198.18.0.0/15\"",
		"abusewatch.conf:2: store: a value is missing after the equals sign",
		"abusewatch.conf:3: the text that begins here is never closed; add the missing \"",
		"abusewatch.conf:4: after \"egress\" comes \"198.51.100.25\"",
		"abusewatch.conf:5: unknown setting stat-dir; did you mean state-dir?",
		"abusewatch.conf:6: the section source that begins here is never closed; add }",
		NULL
	};
	struct buf out = { 0 };
	(void)state;
	assert_null(load("networks = { \"198.51.100.0/24\" \"198.18.0.0/15\" }\n"
	                 "store =\n"
	                 "user = \"\n"
	                 "egress \"198.51.100.25\"\n"
	                 "stat-dir = x\n"
	                 "source \"a\" {\n\tpath = x\n", &out));
	expect(&out, want);
	assert_int_equal(lines_in(&out), 6);
	assert_null(load("}\n/* open\n", &out));
	assert_int_equal(lines_in(&out), 2);
	assert_null(load("include(\"abusewatch.conf\")\n", &out));
	assert_non_null(strstr(out.p, "nested more than"));
	assert_null(conf_load(path_of("none.conf"), NULL, 0, collect, &out));
	buf_fini(&out);
}

/* Each right by itself. */
static void test_relations(void **state)
{
	static const char *const want[] = {
		"abusewatch.conf:2: path: /var/log/mail.log is read by source \"a\" (line 1) already",
		"abusewatch.conf:3: path: \"127.0.0.1:5514\" is no place to listen for syslog at; write udp://",
		"abusewatch.conf:4: path: \"udp://127.0.0.1:99999\" is no place to listen",
		"abusewatch.conf:5: path: TLS needs a certificate and its key",
		"abusewatch.conf:7: max-open: 5000 is too little",
		"abusewatch.conf:8: enabled: letters need a sender",
		"abusewatch.conf:9: interface: an empty name",
		"abusewatch.conf:10: local-domains: \"isp.example.\" ends with a dot",
		"abusewatch.conf:11: messages: \"9000w\" is more than a hundred years",
		NULL
	};
	struct buf out = { 0 };
	(void)state;
	assert_null(load("source a { path = \"/var/log/mail*.log\" }\n"
	                 "source b { type = file path = \"/var/log/mail.log\" }\n"
	                 "source c { type = syslog path = \"127.0.0.1:5514\" }\n"
	                 "source d { type = syslog path = \"udp://127.0.0.1:99999\" }\n"
	                 "source e { type = syslog path = \"tls://127.0.0.1:6514\" }\n"
	                 "source f { type = syslog path = \"tcp://[::1]:5514\" }\n"
	                 "source g { path = \"/var/log/other/mail.log\" max-open = 5000 }\n"
	                 "notify { enabled = yes }\n"
	                 "capture h { interface = \"\" }\n"
	                 "local-domains = { isp.example. }\n"
	                 "retention { messages = 9000w }\n", &out));
	expect(&out, want);
	assert_int_equal(lines_in(&out), sizeof want / sizeof *want - 1);
	buf_fini(&out);
}

static void test_capture(void **state)
{
	static const char *const want[] = {
		"abusewatch.conf:3: ports: \"25 smtp\" is no list of ports",
		"abusewatch.conf:4: programs: \"exe\" is no ending of a file's name; write it like .exe",
		"abusewatch.conf:4: programs: \".\" is no ending",
		"abusewatch.conf:5: ports: \"25,465\" is no list of ports",
		"abusewatch.conf:6: ports: \"65536\" is no list of ports",
		NULL
	};
	struct buf out = { 0 };
	(void)state;
	struct conf *c = load("networks = { \"198.18.0.0/15\" }\nlocal-domains = { \"isp.example\" }\n"
	                      "capture \"a\" { interface = \"eth1\" }\n"
	                      "capture \"b\" { interface = \"eth2\" ports = \"25 2525\" programs = { \".exe\", \".tar.gz\" } }\n", &out);
	assert_string_equal(out.p, "");
	assert_non_null(c);
	assert_int_equal(c->capture[0].programs.n, 0);
	assert_string_equal(c->capture[0].ports, "25 465 587 2525");
	assert_int_equal(c->capture[1].programs.n, 2);
	assert_string_equal(c->capture[1].programs.v[1], ".tar.gz");
	assert_string_equal(c->capture[1].ports, "25 2525");
	conf_free(c);
	assert_null(load("networks = { \"198.18.0.0/15\" }\nlocal-domains = { \"isp.example\" }\n"
	                 "capture \"a\" { interface = \"eth1\" ports = \"25 smtp\" }\n"
	                 "capture \"b\" { interface = \"eth1\" programs = { \"exe\", \".\", \".ok\" } }\n"
	                 "capture \"c\" { interface = \"eth1\" ports = \"25,465\" }\n"
	                 "capture \"d\" { interface = \"eth1\" ports = \"65536\" }\n", &out));
	expect(&out, want);
	assert_int_equal(lines_in(&out), 5);
	buf_fini(&out);
}

static void test_customers(void **state)
{
	static const char *const want[] = {
		"customers.csv:3: kind \"acount\" is unknown; write account, domain, prefix or uid; did you mean account?",
		"customers.csv:4: 4 cells instead of 5",
		"customers.csv:5: prefix: \"198.18.4.1/22\" has bits set",
		"customers.csv:6: contact: \"nobody\" is not one mail address",
		"customers.csv:7: the customer is empty",
		"customers.csv:9: account A@c1.example already belongs to C1 (line 2)",
		NULL
	};
	struct buf out = { 0 };
	struct conf_customer *v;
	size_t n;
	(void)state;
	write_file("customers.csv", "\xef\xbb\xbf" "Customer,contact,language,kind,value\r\nC1,x@c1.example,en,account,a@c1.example\r\n"
	                            "C1,,,acount,b@c1.example\nC1,,account,b\nC1,,,prefix,198.18.4.1/22\nC1,nobody,,uid,5\n"
	                            ",,,uid,5\n# a remark\nC2,,,account,A@c1.example\nC1,\"x@c1.example\",,uid,5\n");
	assert_int_equal(conf_customers_load(path_of("customers.csv"), collect, &out, &v, &n), 6);
	(void)buf_cstr(&out);
	expect(&out, want);
	assert_int_equal(n, 3);
	conf_customers_free(v, n);
	write_file("customers.csv", "kind,value,customer,contact,language\nuid,7,C7,,\n");
	assert_int_equal(conf_customers_load(path_of("customers.csv"), collect, &out, &v, &n), 0);
	assert_string_equal(v[0].customer, "C7");
	assert_string_equal(v[0].value, "7");
	conf_customers_free(v, n);
	buf_fini(&out);
}

/* As a spreadsheet saves it where the comma stands in numbers. The first row decides; one of another kind is told in its terms. */
static void test_customers_separator(void **state)
{
	static const char *const want[] = {
		"customers.csv:4: 1 cell instead of 5; write customer;contact;language;kind;value separated by semicolons, as the first row is (cells with semicolons in quotes)",
		NULL
	};
	static const char *const one[] = { "customers.csv:1: 1 cell instead of 5; write customer,contact,language,kind,value separated by commas (cells with commas in quotes)", NULL };
	struct buf out = { 0 };
	struct conf_customer *v;
	size_t n;
	(void)state;
	write_file("customers.csv", "# a remark; with, both\nCustomer;contact;language;kind;value\r\nC1, \"Ltd\";x@c1.example;en;account;\"a;b\"\r\nC1,,,uid,5\n");
	assert_int_equal(conf_customers_load(path_of("customers.csv"), collect, &out, &v, &n), 1);
	(void)buf_cstr(&out);
	expect(&out, want);
	assert_int_equal(n, 1);
	assert_string_equal(v[0].customer, "C1, \"Ltd\"");
	assert_string_equal(v[0].value, "a;b");
	conf_customers_free(v, n);
	buf_clear(&out);
	write_file("customers.csv", "C1\tx@c1.example\ten\tuid\t5\n");
	assert_int_equal(conf_customers_load(path_of("customers.csv"), collect, &out, &v, &n), 0);
	assert_string_equal(v[0].contact, "x@c1.example");
	conf_customers_free(v, n);
	write_file("customers.csv", "a;b;c;d;e,,,uid,7\n"); /* commas go before */
	assert_int_equal(conf_customers_load(path_of("customers.csv"), collect, &out, &v, &n), 0);
	assert_string_equal(v[0].customer, "a;b;c;d;e");
	conf_customers_free(v, n);
	write_file("customers.csv", "C1|x|en|uid|5\n");
	assert_int_equal(conf_customers_load(path_of("customers.csv"), collect, &out, &v, &n), 1);
	(void)buf_cstr(&out);
	expect(&out, one);
	conf_customers_free(v, n);
	buf_fini(&out);
}

static void test_reload(void **state)
{
	struct buf out = { 0 };
	(void)state;
	write_file("customers.csv", "C2,,,account,b\n");
	struct conf *c = load("customers = customers.csv\ncustomer C1 { accounts = { a } }\n", &out);
	assert_non_null(c);
	assert_int_equal(c->n_customer, 2);
	write_file("customers.csv", "C2,,,account,b\nC3,,,account,c\n");
	assert_int_equal(conf_customers_reload(c, collect, &out), 0);
	assert_int_equal(c->n_customer, 3);
	assert_string_equal(c->customer[0].value, "a");
	assert_string_equal(c->customer[2].value, "c");
	write_file("customers.csv", "C2,,,bad,b\n");
	assert_int_equal(conf_customers_reload(c, collect, &out), -1);
	assert_int_equal(c->n_customer, 3);
	struct stat seen = { 0 };
	assert_int_equal(conf_customers_follow(c, &seen, collect, &out), -1);
	assert_int_equal(conf_customers_follow(c, &seen, collect, &out), 0); /* said once */
	write_file("customers.csv", "C2,,,account,b\n");
	assert_int_equal(conf_customers_follow(c, &seen, collect, &out), 1);
	assert_int_equal(conf_customers_follow(c, &seen, collect, &out), 0);
	assert_int_equal(c->n_customer, 2);
	conf_free(c);
	buf_fini(&out);
}

static void cell(const char *in, const char *want)
{
	struct buf b = { 0 };
	csv_put(&b, true, sv_cstr(in));
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

static void test_csv_writer(void **state)
{
	struct buf b = { 0 };
	(void)state;
	cell("plain", "plain");
	cell("a,b", "\"a,b\"");
	cell("say \"x\"", "\"say \"\"x\"\"\"");
	cell("=1+1", "'=1+1");
	cell("@SUM(A1)", "'@SUM(A1)");
	cell("+31 20", "'+31 20");
	cell("-5", "-5");
	cell("-3.25", "-3.25");
	cell("-1+cmd", "'-1+cmd");
	cell("\tx", "'\tx");
	cell("\rx", "\"'\rx\"");
	cell("=a,\"b\"", "\"'=a,\"\"b\"\"\"");
	csv_put(&b, true, SV("a"));
	csv_put(&b, false, SV(""));
	csv_put(&b, false, SV("line\nbreak"));
	csv_end_row(&b);
	assert_string_equal(buf_cstr(&b), "a,,\"line\nbreak\"\r\n");
	buf_fini(&b);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof dir, "/tmp/test-conf-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = { "abusewatch.conf", "customers.csv", "more.conf" };
	(void)state;
	for (size_t i = 0; i < 3; i++)
		unlink(path_of(names[i]));
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smallest),  cmocka_unit_test(test_everything), cmocka_unit_test(test_all_mistakes),
		cmocka_unit_test(test_syntax), cmocka_unit_test(test_relations),    cmocka_unit_test(test_capture), cmocka_unit_test(test_customers), cmocka_unit_test(test_customers_separator),  cmocka_unit_test(test_reload),
		cmocka_unit_test(test_csv_writer),
	};
	return cmocka_run_group_tests_name("conf", tests, setup, teardown);
}
