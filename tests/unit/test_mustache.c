/* The engine against the rules of the published Mustache spec, one table for each chapter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/mustache.h"

struct example { const char *template, *view, *want; };
static struct json_object *partials;

static struct sv partial(void *ctx, const char *name)
{
	struct json_object *v;
	(void)ctx;
	return partials && json_object_object_get_ex(partials, name, &v) ? sv_cstr(json_object_get_string(v)) : (struct sv){ 0 };
}

static bool filter(void *ctx, const char *name, struct json_object *v, struct buf *out)
{
	(void)ctx;
	if (strcmp(name, "b") != 0)
		return false;
	buf_puts(out, "<b>");
	mustache_escape(out, sv_cstr(json_object_get_string(v)));
	buf_puts(out, "</b>");
	return true;
}

static void check(const struct example *x, size_t n, bool escape)
{
	struct mustache_options o = { escape, partial, filter, NULL };
	for (size_t i = 0; i < n; i++) {
		struct buf out = { 0 };
		struct err e = { "" };
		struct json_object *view = json_tokener_parse(x[i].view);
		assert_true(view != NULL || strcmp(x[i].view, "null") == 0);
		if (mustache_render(sv_cstr(x[i].template), view, &o, &out, &e) < 0)
			fail_msg("\"%s\": %s", x[i].template, e.text);
		if (strcmp(buf_cstr(&out), x[i].want) != 0)
			fail_msg("\"%s\" gives\n\"%s\" instead of\n\"%s\"", x[i].template, out.p, x[i].want);
		buf_fini(&out);
		json_object_put(view);
	}
}
#define CHECK(table) check(table, sizeof(table) / sizeof *(table), true)

static void test_variables(void **state)
{
	static const struct example t[] = {
		{ "plain {text} }}", "{}", "plain {text} }}" },
		{ "a {{x}} b", "{\"x\":\"y\"}", "a y b" },
		{ "{{x}}", "{\"x\":\"& \\\" < > '\"}", "&amp; &quot; &lt; &gt; &#39;" },
		{ "{{{x}}} {{&x}} {{& x }}", "{\"x\":\"<b>\"}", "<b> <b> <b>" },
		{ "{{n}} {{d}}", "{\"n\":85,\"d\":1.25}", "85 1.25" },
		{ "({{none}})({{{none}}})({{null}})", "{\"null\":null}", "()()()" },
		{ "{{a.b.c}}", "{\"a\":{\"b\":{\"c\":\"deep\"}}}", "deep" },
		{ "({{a.b.c}})", "{\"a\":{}}", "()" },
		{ "({{a.b}})", "{\"a\":\"text\"}", "()" },
		{ "{{#a}}{{b.c}}{{/a}}", "{\"a\":{\"b\":{}},\"b\":{\"c\":\"no\"}}", "" },
		{ "{{#a}}{{a.name}}{{/a}}", "{\"a\":{\"name\":\"up\"}}", "up" },
		{ "| {{x}} |\n {{{x}}}\n", "{\"x\":\"-\"}", "| - |\n -\n" },
		{ "{{  x  }}", "{\"x\":1}", "1" },
		{ "{{x|b}} {{x|none}}", "{\"x\":\"<i>\"}", "<b>&lt;i&gt;</b> &lt;i&gt;" },
	};
	static const struct example plain[] = { { "{{x}}", "{\"x\":\"a < b & c\"}", "a < b & c" } };
	(void)state;
	CHECK(t);
	check(plain, 1, false);
}

static void test_sections(void **state)
{
	static const struct example t[] = {
		{ "{{#a}}yes{{/a}}", "{\"a\":true}", "yes" },
		{ "({{#a}}yes{{/a}})", "{\"a\":false}", "()" },
		{ "({{#a}}yes{{/a}})", "{}", "()" },
		{ "({{#a}}yes{{/a}})", "{\"a\":[]}", "()" },
		{ "({{#a}}yes{{/a}})", "{\"a\":null}", "()" },
		{ "({{#a}}yes{{/a}})", "{\"a\":\"\"}", "()" },
		{ "{{#a}}hi {{name}}{{/a}}", "{\"a\":{\"name\":\"joe\"}}", "hi joe" },
		{ "{{#a}}{{.}}{{/a}}", "{\"a\":\"text\"}", "text" },
		{ "{{#l}}{{n}}{{/l}}", "{\"l\":[{\"n\":1},{\"n\":2},{\"n\":3}]}", "123" },
		{ "{{#l}}({{.}}){{/l}}", "{\"l\":[\"a\",1,2.5]}", "(a)(1)(2.5)" },
		{ "{{#l}}({{#.}}{{.}}{{/.}}){{/l}}", "{\"l\":[[1,2],[\"a\"]]}", "(12)(a)" },
		{ "{{#a}}{{one}}{{#b}}{{one}}{{two}}{{/b}}{{/a}}", "{\"a\":{\"one\":1},\"b\":{\"two\":2}}", "112" },
		{ "{{#l}}{{name}}={{x}};{{/l}}", "{\"name\":\"n\",\"l\":[{\"x\":1},{\"name\":\"m\",\"x\":2}]}", "n=1;m=2;" },
		{ "{{#a}}A{{#b}}B{{/b}}C{{/a}}", "{\"a\":true,\"b\":false}", "AC" },
		{ "{{#a.b}}yes{{/a.b}}", "{\"a\":{\"b\":true}}", "yes" },
		{ "| {{#a}}\t|\t{{/a}} |", "{\"a\":true}", "| \t|\t |" },
		{ "a\n{{#x}}\nb\n{{/x}}\nc\n", "{\"x\":true}", "a\nb\nc\n" },
		{ "a\n  {{#x}}\n  b\n  {{/x}}\nc\n", "{\"x\":true}", "a\n  b\nc\n" },
		{ "|\r\n{{#x}}\r\n{{/x}}\r\n|", "{\"x\":true}", "|\r\n|" },
		{ "  {{#x}}\n#{{/x}}\n/", "{\"x\":true}", "#\n/" },
		{ "#{{#x}}\n/\n  {{/x}}", "{\"x\":true}", "#\n/\n" },
		{ "{{# x }}={{/ x }}", "{\"x\":true}", "=" },
	};
	(void)state;
	CHECK(t);
}

static void test_inverted(void **state)
{
	static const struct example t[] = {
		{ "{{^a}}no{{/a}}", "{\"a\":false}", "no" },
		{ "({{^a}}no{{/a}})", "{\"a\":true}", "()" },
		{ "{{^a}}no{{/a}}", "{}", "no" },
		{ "{{^a}}no{{/a}}", "{\"a\":[]}", "no" },
		{ "({{^a}}no{{/a}})", "{\"a\":[1]}", "()" },
		{ "({{^a}}no{{/a}})", "{\"a\":{}}", "()" },
		{ "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\":0}", "y" },
		{ "a\n{{^x}}\nb\n{{/x}}\nc\n", "{}", "a\nb\nc\n" },
		{ "{{^a.b.c}}no{{/a.b.c}}", "{\"a\":{}}", "no" },
		{ "{{#o}}{{^i}}none{{/i}}{{/o}}", "{\"o\":true,\"i\":false}", "none" },
	};
	(void)state;
	CHECK(t);
}

static void test_comments_and_delimiters(void **state)
{
	static const struct example t[] = {
		{ "12{{! gone }}34", "{}", "1234" },
		{ "12{{!\n gone\n}}34", "{}", "1234" },
		{ "a\n{{! gone }}\nb", "{}", "a\nb" },
		{ "a\n  {{!\n gone\n  }}\nb", "{}", "a\nb" },
		{ "  12 {{! gone }}\n", "{}", "  12 \n" },
		{ "{{! gone }}\nb", "{}", "b" },
		{ "{{=<% %>=}}(<% x %>){{x}}", "{\"x\":\"y\"}", "(y){{x}}" },
		{ "({{=[ ]=}}[x])", "{\"x\":\"y\"}", "(y)" },
		{ "{{#s}}{{x}} |x|{{/s}} {{= | | =}} |#s|{{x}} |x||/s|", "{\"s\":true,\"x\":1}", "1 |x|  {{x}} 1" },
		{ "a\n{{=@ @=}}\nb @x@", "{\"x\":1}", "a\nb 1" },
		{ "|{{= @   @ =}}|", "{}", "||" },
	};
	(void)state;
	CHECK(t);
}

static void test_partials(void **state)
{
	static const struct example t[] = {
		{ "{{>text}}", "{}", "from the partial" },
		{ "({{>none}})", "{}", "()" },
		{ "{{>show}}", "{\"x\":\"<\"}", "*&lt;*" },
		{ "{{>tree}}", "{\"c\":\"X\",\"n\":[{\"c\":\"Y\",\"n\":[]}]}", "X<Y<>>" },
		{ "| {{>inner}} |", "{}", "| \t|\t |" },
		{ "  {{x}}  {{>line}}\n", "{\"x\":\"|\"}", "  |  >\n>\n" },
		{ " {{>two}}\n|", "{\"x\":\"<\\n->\"}", " (\n &lt;\n-&gt;\n )\n|" },
		{ "a\n  {{>lines}}\nb", "{}", "a\n  1\n  2\nb" },
		{ "|{{> show }}|", "{\"x\":1}", "|*1*|" },
	};
	(void)state;
	partials = json_tokener_parse("{\"text\":\"from the partial\",\"show\":\"*{{x}}*\",\"tree\":\"{{c}}<{{#n}}{{>tree}}{{/n}}>\","
	                              "\"inner\":\"\\t|\\t\",\"line\":\">\\n>\",\"two\":\"(\\n{{x}}\\n)\\n\",\"lines\":\"1\\n2\\n\",\"loop\":\"{{>loop}}\"}");
	assert_non_null(partials);
	CHECK(t);
}

static void test_malformed(void **state)
{
	static const char *const bad[] = { "{{x", "{{#a}}", "{{/a}}", "{{#a}}{{/b}}", "{{#a}}{{#b}}{{/a}}{{/b}}", "{{=x}}", "{{=<=}}", "{{{x}}", "{{>loop}}" };
	struct mustache_options o = { true, partial, NULL, NULL };
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct buf out = { 0 };
		struct err e;
		if (mustache_render(sv_cstr(bad[i]), NULL, &o, &out, &e) != -1)
			fail_msg("accepted %s", bad[i]);
		buf_fini(&out);
	}
	json_object_put(partials);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_variables), cmocka_unit_test(test_sections),  cmocka_unit_test(test_inverted),
		cmocka_unit_test(test_comments_and_delimiters), cmocka_unit_test(test_partials), cmocka_unit_test(test_malformed),
	};
	return cmocka_run_group_tests_name("mustache", tests, NULL, NULL);
}
