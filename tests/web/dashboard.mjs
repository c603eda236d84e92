// The dashboard from a clerk's seat: log in, look at every page, use keys, act on a case. One line per test.
import { execFileSync, execSync } from "node:child_process";
import { connect } from "node:net";
import { dirname } from "node:path";
import { launch } from "./browser.mjs";
import { standIn } from "./control.mjs";

const { BIN, CONF, STORE, BASE, SCREENS } = process.env;
const ann = { user: "ann", password: "correct horse battery" };
const pages = { overview: "/", cases: "/cases?state=all", case: "/case/7", steps: "/case/7/steps", nosteps: "/case/1/steps", hostile: "/case/6", closed: "/case/1", search: "/search?all=1", principals: "/principals",
	principal: "/principal/account/anna%40brevik.example", health: "/about", coverage: "/coverage", hosts: "/exports/compromised-hosts",
	backup: "/backup-mx", outage: "/backup-mx/halden.example", healthy: "/backup-mx/brevik.example", unseen: "/backup-mx/quiet.example",
	recipients: "/backup-mx/brevik.example/recipients", policy: "/policy", servers: "/servers", server: "/principal/host/198.18.40.12",
	listings: "/listings", lists_past: "/listings/history", listing: "/case/902", listed_ip: "/principal/own_ip/198.51.100.25" };
let failed = 0;

async function test(name, run) {
	try {
		await run();
		console.log("ok web: " + name);
	} catch (e) {
		failed++;
		console.log("not ok web: " + name + " - " + String(e.message || e).split("\n")[0].slice(0, 300));
		console.error(e);
	}
}
function want(condition, what) {
	if (!condition)
		throw new Error(what);
}
function same(a, b, what) {
	want(JSON.stringify(a) === JSON.stringify(b), `${what}: ${JSON.stringify(a)} instead of ${JSON.stringify(b)}`);
}

// RFC 4180, strictly: rows of equal length, CRLF, quotes doubled.
function parseCsv(text) {
	const rows = [[]];
	let at = 0;
	while (at < text.length) {
		let cell = "";
		if (text[at] === "\"") {
			for (at++; text[at] !== "\"" || text[at + 1] === "\""; at++) {
				want(at < text.length, "an open quote");
				if (text[at] === "\"")
					at++;
				cell += text[at];
			}
			at++;
		} else {
			while (at < text.length && text[at] !== "," && text[at] !== "\r")
				cell += text[at++];
			want(!/["\n]/.test(cell), "a bare quote or line feed in " + cell);
		}
		rows.at(-1).push(cell);
		if (text[at] === ",") {
			at++;
			if (at === text.length)
				rows.at(-1).push("");
		} else {
			want(text.slice(at, at + 2) === "\r\n", "rows must end with CRLF");
			at += 2;
			if (at < text.length)
				rows.push([]);
		}
		if (text[at - 1] === "," && (text[at] === "\r"))
			rows.at(-1).push("");
		if (text[at] === "\r" && text[at - 1] === ",") {
			at += 2;
			if (at < text.length)
				rows.push([]);
		}
	}
	for (const r of rows)
		same(r.length, rows[0].length, "cells in a row");
	return rows;
}

// Every console error, CSP violation, failed script and failed request of a page.
function watch(page) {
	const troubles = [];
	page.on("console", (m) => { if (m.type() === "error" || m.type() === "warning") troubles.push(m.text()); });
	page.on("pageerror", (e) => troubles.push(String(e)));
	page.on("requestfailed", (r) => { if (!/ERR_ABORTED/.test(r.failure().errorText)) troubles.push(r.url() + " " + r.failure().errorText); });
	page.on("request", (r) => { if (!r.url().startsWith(BASE) && !r.url().startsWith("data:")) troubles.push("asked another site: " + r.url()); });
	return troubles;
}

async function login(page, user, password) {
	await page.goto(BASE + "/login");
	await page.fill("input[name=user]", user);
	await page.fill("input[name=password]", password);
	await page.click("button.primary");
	await page.waitForLoadState();
}

execFileSync(`${BIN}/abusewatch`, ["user", "-c", CONF, "add", ann.user], { input: ann.password + "\n" });
const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
const page = await context.newPage();
const troubles = watch(page);
const api = context.request;

await test("pages ask for a login and come back to where one was", async () => {
	await page.goto(BASE + "/case/7");
	want(page.url().includes("/login?next="), "no way to the login: " + page.url());
	await page.screenshot({ path: `${SCREENS}/login.png` });
	const r = await fetch(BASE + "/cases.json");
	same(r.status, 401, "status of the API without login");
	same((await fetch(BASE + "/cases.csv")).status, 401, "status of CSV without login");
});
await test("a wrong password is refused in words", async () => {
	await login(page, ann.user, "not the password");
	want(await page.getByRole("alert").innerText() === "The name or the password is wrong.", "no message");
	want(page.url().endsWith("/login"), page.url());
	troubles.length = 0; // the browser reports the 401 by itself
});
await test("a login without our form's token is refused", async () => {
	const r = await fetch(BASE + "/login", { method: "POST", body: new URLSearchParams({ user: ann.user, password: ann.password }), redirect: "manual" });
	same(r.status, 403, "status");
	want(!/aw_session/.test(r.headers.get("set-cookie") || ""), "it gave a session");
});
await test("the right password logs in, with a careful cookie", async () => {
	await page.goto(BASE + "/case/7");
	await page.fill("input[name=user]", ann.user);
	await page.fill("input[name=password]", ann.password);
	await page.click("button.primary");
	await page.waitForURL(BASE + "/case/7");
	const c = (await context.cookies()).find((x) => x.name === "aw_session");
	want(c.httpOnly && c.sameSite === "Strict", "cookie " + JSON.stringify(c));
});
await test("too many wrong passwords are held back, for that name only", async () => {
	const other = await browser.newContext();
	const p = await other.newPage();
	for (let i = 0; i < 6; i++)
		await login(p, "bob", "guess number " + i);
	want(/Too many failed logins/.test(await p.getByRole("alert").innerText()), "not held back");
	await login(p, ann.user, ann.password);
	same(new URL(p.url()).pathname, "/", "ann is held back, too");
	await other.close();
});
await test("a one-time link works once", async () => {
	const link = execFileSync(`${BIN}/abusewatch`, ["login-link", "-c", CONF, "-u", "visitor"]).toString().trim();
	const other = await browser.newContext();
	const p = await other.newPage();
	await p.goto(link);
	same(new URL(p.url()).pathname, "/", "where the link leads");
	await other.clearCookies();
	same((await p.goto(link)).status(), 403, "the second use");
	await other.close();
});

for (const [name, path] of Object.entries(pages)) {
	await test(`page ${name} renders without errors`, async () => {
		troubles.length = 0;
		const r = await page.goto(BASE + path);
		same(r.status(), 200, "status");
		await page.waitForTimeout(350);
		same(troubles, [], "troubles");
		const csp = r.headers()["content-security-policy"];
		want(/default-src 'none'/.test(csp) && !/unsafe/.test(csp), "policy " + csp);
		same(r.headers()["x-frame-options"], "DENY", "X-Frame-Options");
		same(await page.locator("[style]:not(.chart *)").count(), 0, "inline styles");
		same(await page.evaluate(() => window.pwned), undefined, "a script of the log ran");
		same(await page.locator("main script, main img").count(), 0, "elements out of hostile text");
		if (await page.locator(".chart").count())
			want(await page.locator(".chart canvas").count() >= 1, "the chart is not drawn");
		await page.screenshot({ path: `${SCREENS}/${name}.png`, fullPage: true });
	});
	await test(`page ${name} as JSON and CSV`, async () => {
		const [at, query] = [path === "/" ? "/index" : path.split("?")[0], path.includes("?") ? "?" + path.split("?")[1] : ""];
		const j = await api.get(BASE + at + ".json" + query);
		same(j.status(), 200, "JSON status");
		const o = await j.json();
		want(typeof o === "object" && !("ui" in o) && !("shell" in o), "JSON holds what is only for the page");
		const c = await api.get(BASE + at + ".csv" + query);
		same(c.status(), 200, "CSV status");
		want(/^text\/csv/.test(c.headers()["content-type"]), "type " + c.headers()["content-type"]);
		for (const row of parseCsv(await c.text()))
			for (const cell of row)
				want(!/^[=@\t\r]/.test(cell) && !/^[+-](?![0-9.]+$)/.test(cell), "a spreadsheet would run " + cell);
	});
}
await test("the export has the columns of the contract", async () => {
	const rows = parseCsv(await (await api.get(BASE + "/exports/compromised-hosts.csv")).text());
	same(rows[0].join(), "ip,account,customer,contact,first_seen,last_seen,detectors,score,messages,recipients,countries,asn,blocklists,case_id,case_url", "header");
	const anna = rows.find((r) => r[1] === "anna@brevik.example");
	want(anna && anna[2] === "C1001" && anna[14] === BASE + "/case/7", "row of anna: " + anna);
});
await test("policy findings: by rule, day and customer, and where they belong", async () => {
	const found = async (query) => (await (await api.get(BASE + "/policy.json" + query)).json()).findings.map((f) => f.id + " " + f.rule);
	want((await found("")).length === 8, "all: " + await found(""));
	same(await found("?rule=size&date=" + new Date(Date.now() - 86400000).toISOString().slice(0, 10)), ["anna@brevik.example size"], "rule and day");
	same([...new Set(await found("?customer=C1002"))], ["198.18.40.77 listed-client"], "customer");
	same((await api.get(BASE + "/policy?date=monday")).status(), 400, "no date");
	const rows = parseCsv(await (await api.get(BASE + "/policy.csv?rule=size")).text());
	same(rows[0].join(), "date,rule,severity,kind,principal,customer,count,largest,unit,first,last,queue_id,example", "columns");
	same([rows[1][2], rows[1][7], rows[1][8]], ["low", "48234496", "bytes"], "a row");
	await page.goto(BASE + "/policy");
	want(/7\s+more events had no room/.test(await page.locator("main").innerText()), "what had no room");
	want((await page.locator("tbody tr", { hasText: "newsletter@" }).first().innerText()).includes("240 recipients"), "the largest");
	await page.goto(BASE + "/principal/account/anna%40brevik.example");
	want((await page.locator("section", { hasText: "Policy" }).last().innerText()).includes("46 MiB"), "on the principal");
	await page.goto(BASE + "/case/7");
	want(/messages over the size limit\s+6× on 2 days/.test(await page.locator("section", { hasText: "Also breaks policy" }).innerText()), "on the case");
	await page.goto(BASE + "/case/4");
	same(await page.locator("text=Also breaks policy").count(), 0, "on a case of somebody who breaks none");
});
await test("mail servers: software, its changes, and what happens on the way", async () => {
	const found = async (query) => (await (await api.get(BASE + "/servers.json" + query)).json()).servers.map((s) => s.address);
	same(await found("?sort=address&dir=up"), ["198.18.40.12", "198.18.40.77", "198.18.41.3", "198.51.100.25", "2001:db8:7::25"], "all");
	same(await found("?text=exim+4.9"), ["198.18.40.12"], "by software");
	same((await found(""))[0], "198.18.40.12", "the newest change first");
	const rows = parseCsv(await (await api.get(BASE + "/servers.csv?text=C1001")).text());
	same(rows[0].join(), "address,customer,host,software,was,changed,first,last,sessions,greetings", "columns");
	same(rows[1].slice(0, 5), ["198.18.40.12", "C1001", "mail.brevik.example", "Exim 4.97.1", "Exim 4.94.2"], "a row");
	await page.goto(BASE + "/");
	await page.click("nav >> text=Servers");
	await page.waitForURL(BASE + "/servers");
	const text = await page.locator("main").innerText();
	want(/takes STARTTLS out/.test(text) && /offer STARTTLS again/.test(text), "what happens on the way");
	want(/Exim 4\.94\.2 → Exim 4\.97\.1/.test(text), "the change");
	want(/not yet known/.test(await page.locator("tr", { hasText: "198.18.41.3" }).innerText()), "one that is not settled");
	await page.goto(BASE + "/principal/host/198.18.40.12");
	const server = await page.locator("section", { hasText: "As a mail server" }).innerText();
	want(/mail\.brevik\.example/.test(server) && /Exim 4\.94\.2/.test(server) && /greets with Exim 4\.97\.1, formerly/.test(server), "on the host's page: " + server);
	await page.goto(BASE + "/principal/account/anna%40brevik.example");
	same(await page.locator("text=As a mail server").count(), 0, "on an account's page");
	await page.goto(BASE + "/about");
	want(/takes STARTTLS out/.test(await page.locator("main").innerText()), "on the health page");
});
await test("hostile names stay text in a spreadsheet and on a page", async () => {
	const rows = parseCsv(await (await api.get(BASE + "/cases.csv?state=all")).text());
	want(rows.some((r) => r.includes("'=cmd|\"x\"")), "the formula is not defused");
	await page.goto(BASE + "/case/6");
	want((await page.locator("h1").innerText()).includes("<script>window.pwned=1</script>"), "the name is not shown as it is");
});
await test("unknown addresses say so", async () => {
	for (const [path, status] of [["/nothing", 404], ["/case/999", 404], ["/case/x", 404], ["/case/7/8", 404], ["/static/layout.html", 404], ["/search?since=tomorrow", 400], ["/search?client=192.0.2.256", 400], ["/search?client=%20192.0.2.25", 200],
		["/principal/account/nobody", 404], ["/message/mx1/none/5", 404], ["/a%00b", 400], ["/%zz", 400], ["/" + "a/".repeat(40), 400]]) {
		const r = await api.get(BASE + path);
		same(r.status(), status, path);
		want((await r.text()).length > 100, path + " has no page");
	}
	same((await api.get(BASE + "/x?" + "a".repeat(6000))).status(), 414, "a long address");
	same((await api.fetch(BASE + "/cases", { method: "DELETE" })).status(), 405, "DELETE");
});

const control = await standIn(dirname(STORE) + "/control.sock");
await test("health says how far behind and how well understood", async () => {
	const [one, two] = (await (await api.get(BASE + "/about.json")).json()).collectors;
	same([one.state, one.recognised_percent, one.unrecognised], ["live", 99.98, 214], "mx1");
	same([two.state, two.lag_bytes, two.recognised_percent], ["behind", 44000000, 100], "mx2");
});
await test("coverage shows each source and the clusters of what was not understood", async () => {
	const all = await (await api.get(BASE + "/coverage.json")).json();
	same(all.collectors.map((c) => [c.source, c.mail_lines, c.recognised, c.unrecognised]), [["mx1", 1189434, 1189220, 214], ["mx2", 88120, 88120, 0]], "sources");
	same(all.clusters.map((c) => c.lines), [180, 34], "clusters, most first");
	same((await (await api.get(BASE + "/coverage.json?source=mx2")).json()).clusters, [], "of one source");
	const csv = await (await api.get(BASE + "/coverage.csv?source=mx1")).text();
	same(csv.split(/\r?\n/)[0], "source,program,lines,cluster,sample", "csv");
});
await test("filters, sorting and pages of cases", async () => {
	const ids = async (q) => (await (await api.get(BASE + "/cases.json?" + q)).json()).cases.map((c) => c.id);
	same(await ids("state=active&severity=critical"), [7], "critical");
	same(await ids("state=closed"), [1], "closed");
	same(await ids("state=all&sort=id&dir=up"), [1, 2, 3, 4, 5, 6, 7, 902], "by number");
	same(await ids("state=all&sort=messages"), [2, 3, 4, 7, 1, 6, 5, 902], "by messages");
	same(await ids("state=all&sort=id&dir=up&limit=3&page=2"), [4, 5, 6], "second page");
	same(await ids("state=all&text=HALDEN"), [1], "by text");
	same(await ids("state=all&customer=C1002&sort=id"), [3, 1], "by customer");
	same(await ids("state=all&text=" + encodeURIComponent("' OR 1=1 --")), [], "SQL in a filter");
});
await test("a message can be found by each of its names, and its story read", async () => {
	const find = async (q) => (await (await api.get(BASE + "/search.json?" + q)).json()).messages;
	const one = (await find("all=1"))[0];
	for (const [field, value] of [["queue_id", one.queue_id], ["message_id", one.message_id], ["sender", one.sender.toUpperCase()], ["account", one.account],
		["client", one.client_ip], ["recipient", one.recipients[0].recipient], ["recipient", "@" + one.recipients[0].recipient.split("@")[1]]])
		want((await find(field + "=" + encodeURIComponent(value))).some((m) => m.queue_id === one.queue_id), `not found by ${field} ${value}`);
	same(await find("since=2001-01-01&until=2001-01-02"), [], "messages of another time");
	const recipients = (m) => m.recipients.map((r) => r.recipient);
	const last = recipients((await find("all=1")).find((m) => new Set(recipients(m)).size > 2)).at(-1); /* who is looked for is seen, not only "+4" */
	for (const key of [last.toUpperCase(), `<${last}>`]) {
		await page.goto(BASE + "/search?recipient=" + encodeURIComponent(key));
		const shown = await page.locator("table.trace tbody tr").evaluateAll((all) => all.map((tr) => tr.cells[4].innerText.trim().split(/\s/)[0]));
		same([...new Set(shown)], [last], "recipients shown for " + key);
		same((await find("recipient=" + encodeURIComponent(last))).length, shown.length, "messages to a recipient");
	}
	await page.goto(BASE + "/search?queue_id=" + one.queue_id);
	await page.locator("table.trace tbody tr a.mono").first().click();
	await page.waitForURL(/\/message\//);
	same(await page.locator(".timeline .step").count(), one.recipients.length + 2, "steps of the story");
	await page.screenshot({ path: `${SCREENS}/message.png`, fullPage: true });
});

await test("backup domains: what needs somebody comes first, and no mail is no 100 %", async () => {
	await page.goto(BASE + "/backup-mx");
	const rows = await page.locator("tbody tr").evaluateAll((all) => all.map((tr) => Array.from(tr.cells).map((td) => td.innerText)));
	same(rows.map((r) => r[0].split("\n")[0]), ["halden.example", "brevik.example", "quiet.example"], "order");
	want(/^outage/.test(rows[0][1]) && /connection refused/.test(rows[0][1]), "state: " + rows[0][1]);
	want(/^0 %/.test(rows[0][2]), "availability of the one that is away: " + rows[0][2]);
	same(rows[0][5], "70", "waiting");
	want(Number(rows[0][7].split("/")[0]) > 0, "expiring: " + rows[0][7]);
	want(/^100 %/.test(rows[1][3]) && /known/.test(rows[1][3]), "availability of the one that is well: " + rows[1][3]);
	want(/no mail seen/.test(rows[2][1]), "state: " + rows[2][1]);
	same(rows[2][2], "–", "availability without mail");
	await page.goto(BASE + "/");
	want(/1 domain whose primary does not answer/.test(await page.locator("main").innerText()), "the overview does not say so");
	await page.getByRole("link", { name: "1 domain whose primary" }).click();
	await page.waitForURL(BASE + "/backup-mx");
	await page.locator("tbody tr a").first().click();
	await page.waitForURL(BASE + "/backup-mx/halden.example");
	want(/lasts/.test(await page.locator("#scroll-outages").innerText()), "the outage does not last");
	want(await page.locator("#chart-expiry canvas").count() > 0, "no chart");
	want(await page.locator(".slices i.down").count() > 100, "no hours without an answer");
	want(/given up from about .* on, in 48 hours/.test(await page.locator("ol.history").innerText()), "no alert");
	const o = await (await api.get(BASE + "/backup-mx/halden.example.json")).json();
	same(o.queued, o.expiry.reduce((n, x) => n + x.messages, 0), "waiting by the hour");
	want(o.timeline.every((x) => x.minutes % 5 === 0), "slices are five minutes");
	const csv = parseCsv(await (await api.get(BASE + "/backup-mx/brevik.example/recipients.csv")).text());
	same(csv[0], ["recipient", "valid", "first", "last", "answers"], "columns");
	same(csv.slice(1).filter((r) => r[1] === "0").length, 40, "unknown recipients");
	same((await page.goto(BASE + "/backup-mx/elsewhere.example")).status(), 404, "a domain that is none of ours");
	troubles.length = 0;
});
await test("keys: rows, places, search and help", async () => {
	await page.goto(BASE + "/cases?state=all");
	await page.keyboard.press("j");
	await page.keyboard.press("j");
	await page.keyboard.press("k");
	want(await page.locator("tbody tr").first().evaluate((tr) => tr.classList.contains("on")), "the first row is not chosen");
	await page.screenshot({ path: `${SCREENS}/keys-row.png` });
	await page.keyboard.press("Enter");
	await page.waitForURL(BASE + "/case/7");
	await page.keyboard.press("[");
	await page.waitForURL(BASE + "/case/6");
	for (const [key, path] of [["y", "/policy"], ["c", "/cases"], ["m", "/search"], ["p", "/principals"], ["h", "/about"], ["b", "/backup-mx"], ["e", "/exports/compromised-hosts"], ["l", "/listings"], ["o", "/"]]) {
		await page.keyboard.press("g");
		await page.keyboard.press(key);
		await page.waitForURL(BASE + path);
	}
	await page.keyboard.press("?");
	want(await page.locator("#help").isVisible(), "no help");
	await page.screenshot({ path: `${SCREENS}/keys-help.png` });
	await page.keyboard.press("Escape");
	want(!(await page.locator("#help").isVisible()), "the help stays");
	await page.keyboard.press("/");
	await page.keyboard.type("anna");
	await page.keyboard.press("Enter");
	await page.waitForURL(/\/cases\?state=all&text=anna/);
	await page.keyboard.press("Tab");
	want(await page.evaluate(() => document.activeElement.classList.contains("skip")), "the skip link is not first");
});

await test("how a score came about", async () => {
	await page.goto(BASE + "/case/7");
	await page.click("text=how it came about");
	await page.waitForURL(BASE + "/case/7/steps");
	same(await page.locator("table.steps tbody tr.marked").count(), 2, "marked steps");
	const text = await page.locator("table.steps").innerText();
	want(/37 more events in between/.test(text) && /22 more events in between/.test(text) && /7 more events after that/.test(text), "events left out: " + text);
	want(/volume/.test(text) && /yes 2x \(0\.250 against 0\.899\)/.test(text), "what was seen: " + text);
	const r = await (await api.get(BASE + "/case/7/steps.json")).json();
	for (const s of r.steps)
		want(Math.abs(s.groups.reduce((a, g) => a + g.sum, 0) - s.total) < 1e-9, "the sum of event " + s.event);
	want(/opened with an older version/.test(await (await api.get(BASE + "/case/1/steps")).text()), "a case without steps");
	same((await api.get(BASE + "/case/999/steps")).status(), 404, "no such case");
});
await test("block lists: who is where, since when, and the way off; filters, JSON and CSV agree", async () => {
	await page.goto(BASE + "/listings");
	const row = (target, list) => page.locator("section[aria-labelledby=h-now] tbody tr", { hasText: target }).filter({ hasText: list });
	const text = await row("198.51.100.25", "zen.spamhaus.org").innerText();
	want(/listed/.test(text) && /CSS/.test(text) && /127\.0\.0\.3/.test(text) && /4 remote rejections/.test(text) && /eve@isp\.example/.test(text), text);
	same(await row("198.51.100.25", "zen.spamhaus.org").getByRole("link", { name: "delist" }).getAttribute("href"), "https://check.spamhaus.org/", "the way off");
	same(await row("198.18.7.4", "zen.spamhaus.org").locator(".badge").innerText(), "suspect", "once is a suspicion");
	const suspects = (await (await api.get(BASE + "/listings.json?state=suspect")).json()).listings.length;
	want((await page.locator(".head").first().innerText()).includes("of them listed, suspected: " + suspects + ";"), "the heading counts what is suspected: " + await page.locator(".head").first().innerText());
	same(await row("198.18.7.5", "all.example").locator(".badge").innerText(), "held", "a list that has everything");
	same(await row("198.18.7.3", "zen.spamhaus.org").count(), 0, "a customer's dynamic address is no news");
	want(/suspended/.test(await page.locator("section[aria-labelledby=h-zones]").innerText()), "the suspended list");
	want(/does not serve resolvers/.test(await page.locator("section[aria-labelledby=h-zones]").innerText()), "the list that refuses us");
	const own = await page.locator("section[aria-labelledby=h-own] tbody tr", { hasText: "198.51.100.26" }).innerText();
	want(/imminent/.test(own) && /limits or refuses/.test(own) && /eve@isp\.example/.test(own), own);
	same((await api.get(BASE + "/principal/host/198.18.7.5")).status(), 200, "a host that is only watched has a page, too");
	const o = await (await api.get(BASE + "/listings.json?state=listed&text=198.51.100.25")).json();
	same(o.listings.map((r) => r.zone).sort(), ["bl.spamcop.net", "zen.spamhaus.org"], "the filter");
	same(o.listings.every((r) => r.state === "listed" && r.since_at && r.kind === "own_ip"), true, "fields");
	same(o.ui, undefined, "what only the page needs");
	same(o.listings[0].has_cause, undefined, "what only the template needs");
	const csv = parseCsv(await (await api.get(BASE + "/listings.csv?state=listed&text=198.51.100.25")).text());
	same(csv.length, 3, "rows of the CSV");
	same(csv[0].slice(0, 6), ["target", "kind", "customer", "zone", "list", "state"], "its head");
	await page.fill("input[name=text]", "c2002");
	await page.getByRole("button", { name: "Filter" }).click();
	want((await page.locator("section[aria-labelledby=h-now] tbody tr").count()) >= 6, "by customer");
	const past = await (await api.get(BASE + "/listings/history.json?text=198.18.7.2")).json();
	same(past.past.length, 1, "one past entry");
	want(past.past[0].until_at && past.past[0].lasted_s > 0, "how long");
	await page.goto(BASE + "/listings?state=policy");
	want(/policy/.test(await row("198.18.7.3", "zen.spamhaus.org").innerText()), "policy is not said");
	await page.goto(BASE + "/case/902");
	want(/delist/.test(await page.locator("section[aria-labelledby=h-lists]").innerText()), "the case page has the way off");
});
await test("acting on a case asks the analyzer", async () => {
	await page.goto(BASE + "/case/7");
	await page.keyboard.press("n");
	await page.keyboard.type("Called them. <b>");
	await page.getByRole("button", { name: "Acknowledge" }).click();
	await page.waitForURL(BASE + "/case/7");
	same(control.asked.at(-1), { do: "case-acknowledge", case: 7, actor: "ann", text: "Called them. <b>" }, "request");
	want(/yours/.test(await page.locator("p.flash").innerText()), "no word about it");
	page.once("dialog", (d) => d.dismiss());
	const before = control.asked.length;
	await page.getByRole("button", { name: "False alarm" }).click();
	await page.waitForTimeout(200);
	same(control.asked.length, before, "asked although it was dismissed");
	page.once("dialog", (d) => d.accept());
	await page.getByRole("button", { name: "False alarm" }).click();
	await page.waitForSelector("p.flash");
	same(control.asked.at(-1).do, "case-false-positive", "request");
});
await test("what the analyzer refuses is told", async () => {
	await page.goto(BASE + "/case/7");
	await page.fill("#note", "refuse");
	await page.getByRole("button", { name: "Add note" }).click();
	want(/Nothing was changed: the case is closed already/.test(await page.locator("p.flash.bad").innerText()), "no word about it");
	await page.fill("#note", "  ");
	await page.getByRole("button", { name: "Add note" }).click();
	want(/the note is empty/.test(await page.locator("p.flash.bad").innerText()), "an empty note");
});
await test("a form without the token changes nothing", async () => {
	const before = control.asked.length;
	for (const csrf of [undefined, "", "0".repeat(64)]) {
		const form = { do: "close", text: "" };
		if (csrf !== undefined)
			form.csrf = csrf;
		same((await api.post(BASE + "/case/7", { form })).status(), 403, "status with token " + csrf);
	}
	same((await api.post(BASE + "/logout", { form: {} })).status(), 403, "logout");
	same((await api.post(BASE + "/case/7", { form: { text: "x".repeat(70000) } })).status(), 413, "a huge form");
	same(control.asked.length, before, "requests");
});
await test("what a page asks by itself", async () => { // the ring looks into the log
	for (let i = 0; i < 3; i++)
		same((await api.get(BASE + "/search.json?x=" + "y".repeat(1500) + "&sender=" + "%20".repeat(400) + "&account=unseen%40far.example", { headers: { "X-Live": "1" } })).status(), 200, "status");
});
await test("a form that comes in slowly is of who is logged in at its end", async () => {
	const other = await browser.newContext(), p = await other.newPage(), before = control.asked.length;
	await p.goto(execFileSync(`${BIN}/abusewatch`, ["login-link", "-c", CONF, "-u", "visitor"]).toString().trim());
	const cookie = (await other.cookies()).find((x) => x.name === "aw_session").value;
	const form = "do=close&text=&csrf=" + await p.locator("input[name=csrf]").first().inputValue();
	const socket = connect(new URL(BASE).port, "127.0.0.1");
	let answer = "";
	socket.on("data", (d) => { answer += d; });
	socket.write(`POST /case/7 HTTP/1.1\r\nHost: x\r\nCookie: aw_session=${cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${form.length}\r\n\r\ndo=`);
	await p.waitForTimeout(300);
	await p.getByRole("button", { name: "Log out" }).click();
	await p.waitForURL(/login/);
	socket.write(form.slice(3));
	await p.waitForTimeout(500);
	socket.destroy();
	await other.close();
	same([answer.slice(9, 12), control.asked.length], ["403", before], "status and requests: " + JSON.stringify(control.asked.at(-1)));
});
await test("with the analyzer, the overview says that it is live", async () => {
	await page.goto(BASE + "/");
	await page.waitForSelector("#live:not([hidden])");
	same([await page.locator("#live").innerText(), await page.locator("p.flash.bad").count()], ["live", 0], "the word beside the heading, and warnings");
});
control.close();
await test("without the analyzer, the overview and the Health page say that nothing is live", async () => {
	await page.goto(BASE + "/");
	await page.waitForSelector("#live:not([hidden])");
	same(await page.locator("#live").innerText(), "nothing new is read", "the word beside the heading");
	want(/The analyzer is not running: nothing new is read/.test(await page.locator("main p.flash.bad").innerText()), "no word about it");
	await page.goto(BASE + "/about");
	want(!(await page.locator(".badge.health").allInnerTexts()).includes("live"), "a source is called live");
});
await test("without the analyzer, actions say so", async () => {
	await page.goto(BASE + "/case/7");
	await page.getByRole("button", { name: "Acknowledge" }).click();
	want(/Nothing was changed: the analyzer is not running/.test(await page.locator("p.flash.bad").innerText()), "no word about it");
});

await test("a case that opens shows up by itself", async () => {
	await page.goto(BASE + "/");
	await page.waitForSelector("#live:not([hidden])");
	execSync(`python3 - "$STORE" <<'PY'
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1])
now = int(time.time()) * 1000000
db.execute("INSERT INTO acase (id, kind, principal_kind, principal_id, state, level, severity, score, peak_score, threshold, first_seen_us, opened_us, updated_us, sentence) "
           "VALUES (8, 'stolen-account', 'account', 'new@isp.example', 'open', 'likely', 'critical', 130000, 130000, 49152, ?, ?, ?, 'It just began.')", (now, now, now))
db.commit()
PY`, { env: process.env });
	await page.waitForSelector("tr[data-key='case-8']", { timeout: 15000 });
	want((await page.locator("#toasts a").innerText()).includes("Case 8"), "no notice");
	want(await page.locator("#chart-volume canvas").count() >= 1, "the chart is gone");
	await page.screenshot({ path: `${SCREENS}/live.png` });
});
await test("what is being typed survives a refresh", async () => {
	await page.goto(BASE + "/case/8");
	await page.waitForSelector("#live:not([hidden])");
	await page.fill("#note", "half a sentence");
	execSync(`python3 -c "import sqlite3,sys; d=sqlite3.connect(sys.argv[1]); d.execute('UPDATE acase SET messages = 4711 WHERE id = 8'); d.commit()" "$STORE"`, { env: process.env });
	await page.locator(".facts", { hasText: "4711" }).waitFor({ timeout: 15000 }); // (a function given to the page would be eval, which the policy forbids)
	same(await page.inputValue("#note"), "half a sentence", "the note");
});

await test("light and dark: by the system, by the button, remembered", async () => {
	const other = await browser.newContext({ colorScheme: "dark", storageState: await context.storageState(), viewport: { width: 1280, height: 860 } });
	const p = await other.newPage();
	const t = watch(p);
	const background = () => p.evaluate(() => getComputedStyle(document.body).backgroundColor);
	await p.goto(BASE + "/");
	const dark = await background();
	await p.waitForTimeout(300);
	await p.screenshot({ path: `${SCREENS}/overview-dark.png`, fullPage: true });
	await p.goto(BASE + "/case/7");
	await p.waitForTimeout(300);
	await p.screenshot({ path: `${SCREENS}/case-dark.png`, fullPage: true });
	await p.click("#theme");
	const light = await background();
	want(dark !== light, "the button does nothing");
	await p.reload();
	same(await background(), light, "it is forgotten");
	same(t, [], "troubles");
	await other.close();
});
await test("words stand out enough from what is behind them", async () => {
	for (const scheme of ["light", "dark"]) {
		const other = await browser.newContext({ colorScheme: scheme, storageState: await context.storageState() });
		const p = await other.newPage();
		for (const path of ["/", "/cases?state=all", "/case/7", "/about", "/listings", "/listings/history", "/case/902"]) {
			await p.goto(BASE + path);
			const poor = await p.evaluate(contrast);
			same(poor, [], `${scheme} ${path}`);
		}
		await other.close();
	}
});
await test("on a phone nothing sticks out", async () => {
	const other = await browser.newContext({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, storageState: await context.storageState() });
	const p = await other.newPage();
	for (const [name, path] of Object.entries(pages)) {
		await p.goto(BASE + path);
		await p.waitForTimeout(250);
		same(await p.evaluate(() => document.documentElement.scrollWidth), 390, "width of " + name);
		await p.screenshot({ path: `${SCREENS}/${name}-phone.png`, fullPage: true });
	}
	await other.close();
});
await test("on a desk's screen the export shows all its columns", async () => {
	const other = await browser.newContext({ viewport: { width: 1280, height: 860 }, storageState: await context.storageState() });
	const p = await other.newPage();
	await p.goto(BASE + pages.hosts);
	want(await p.evaluate(() => [...document.querySelectorAll(".scroll")].every((e) => e.scrollWidth <= e.clientWidth)), "the last column is cut off");
	await other.close();
});
await test("it works without scripts, too", async () => {
	const other = await browser.newContext({ javaScriptEnabled: false, storageState: await context.storageState() });
	const p = await other.newPage();
	await p.goto(BASE + "/cases?state=all");
	await p.getByRole("link", { name: "7", exact: true }).first().click();
	want((await p.locator(".sentence").innerText()).includes("412 messages"), "the case");
	await p.getByRole("button", { name: "Acknowledge" }).click();
	want(await p.locator("p.flash.bad").count() === 1, "no answer to a form");
	await other.close();
});
await test("a changed password and a deleted user end their sessions", async () => {
	const command = (...args) => execFileSync(`${BIN}/abusewatch`, ["user", "-c", CONF, ...args], { input: "another password\n" });
	command("add", "carl");
	const other = await browser.newContext();
	const p = await other.newPage();
	await login(p, "carl", "another password");
	same((await p.goto(BASE + "/cases")).status(), 200, "carl");
	command("passwd", "carl");
	await p.goto(BASE + "/cases");
	want(p.url().includes("/login"), "the old password still counts");
	await login(p, "carl", "another password");
	command("delete", "carl");
	await p.goto(BASE + "/cases");
	want(p.url().includes("/login"), "a deleted user is still there");
	await other.close();
	same((await api.get(BASE + "/cases")).status(), 200, "ann");
});
await test("logging out ends the session", async () => {
	await page.goto(BASE + "/");
	const cookie = (await context.cookies()).find((c) => c.name === "aw_session").value;
	await page.getByRole("button", { name: "Log out" }).click();
	await page.waitForURL(BASE + "/login");
	same((await fetch(BASE + "/cases.json", { headers: { cookie: "aw_session=" + cookie } })).status, 401, "the old cookie");
});
await browser.close();
process.exit(failed ? 1 : 0);

// Runs in the page: texts whose contrast with what lies behind them is under 4.5 (WCAG AA).
function contrast() {
	const parse = (c) => (c.match(/[\d.]+/g) || []).map(Number);
	const light = ([r, g, b]) => [r, g, b].map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; })
		.reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (el) => {
		for (; el; el = el.parentElement) {
			const c = parse(getComputedStyle(el).backgroundColor);
			if (c.length === 3 || c[3] > 0.99)
				return c;
		}
		return [255, 255, 255];
	};
	const poor = [];
	for (const el of document.querySelectorAll("body *")) {
		const own = Array.from(el.childNodes).some((n) => n.nodeType === 3 && n.textContent.trim());
		if (!own || !el.checkVisibility() || el.closest("tr.fresh, .chart, .sr, .skip, .off"))
			continue;
		const [a, b] = [light(parse(getComputedStyle(el).color)), light(behind(el))];
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5)
			poor.push(`${el.tagName}.${el.className} "${el.textContent.trim().slice(0, 20)}" ${ratio.toFixed(2)}`);
	}
	return [...new Set(poor)].slice(0, 8);
}
