// rbl.mjs LOGIN-LINK OUTDIR — the look-up page as a clerk sees it: answers come in, stand in their groups, and hostile text stays text.
import { launch } from "./browser.mjs";

const [, , link, out] = process.argv;
const base = new URL(link).origin;
const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const page = await context.newPage();
const errors = [];
page.on("pageerror", (e) => errors.push(String(e)));
page.on("dialog", (d) => { errors.push("a dialog: " + d.message()); d.dismiss(); });
page.on("console", (m) => { if (m.type() === "error" && !m.text().includes("status of 400")) errors.push(m.text()); });
function want(condition, what) {
	if (!condition) {
		console.error(what);
		process.exit(1);
	}
}
await page.goto(link);
await page.goto(base + "/rbl");
await page.screenshot({ path: `${out}/rbl-form.png` });
await page.fill("input[name=target]", "192.0.2.7");
const began = Date.now();
await page.click("form.look button");
await page.waitForSelector("section[data-kind=listed] tbody tr");
const first = Date.now() - began;
await page.waitForSelector(".verdict", { timeout: 20000 });
const all = Date.now() - began;
want(first < all - 500, `the first answer after ${first} ms, the last after ${all} ms: not shown as they come`);
const n = {};
for (const kind of ["listed", "refused", "unknown", "dead", "noted", "clean"]) {
	n[kind] = await page.locator(`[data-kind=${kind}] tbody tr`).count();
	want(n[kind] > 0, `no row is ${kind}`);
	want(Number(await page.locator(`[data-kind=${kind}] .number`).textContent()) === n[kind], `the number of ${kind}`);
}
const verdict = await page.textContent(".verdict");
want(verdict.startsWith(`On ${n.listed} lists.`), verdict);
const order = await page.$$eval("#rbl-groups > *", (els) => els.map((e) => e.dataset.kind));
want(order.join() === "listed,refused,unknown,dead,noted,clean", "the order of the groups: " + order);
const row = page.locator("[data-kind=listed] tr", { hasText: "plain06.example" });
want((await row.locator("a").getAttribute("href")) === "https://plain06.example/off?ip=192.0.2.7", "the way off the list");
want((await row.textContent()).includes("127.0.0.2") && (await row.textContent()).includes("seen since"), "code and age");
want((await page.locator("[data-kind=listed] tr", { hasText: "hostile.example" }).textContent()).includes("<script>"), "hostile text must be seen as text");
await page.screenshot({ path: `${out}/rbl-answers.png`, fullPage: true });
await page.goto(base + "/rbl?target=" + encodeURIComponent("192.0.2.8, bad.example 2001:db8:6::1"));
await page.waitForSelector(".verdict", { timeout: 20000 });
want((await page.locator("[data-kind=listed] .c-target").allTextContents()).sort().join() === "2001:db8:6::1,bad.example", "several targets");
await page.screenshot({ path: `${out}/rbl-several.png`, fullPage: true });
await page.goto(base + "/rbl?target=nonsense!");
await page.waitForSelector(".verdict.bad");
want((await page.textContent(".verdict")).includes("no address, prefix or domain"), "what is wrong with a target");
await page.screenshot({ path: `${out}/rbl-wrong.png` });
await page.goto(base + "/rbl/lists");
want((await page.locator("tbody tr").count()) > 60, "the lists");
want((await page.locator("tr", { hasText: "wild.example" }).textContent()).includes("wildcard"), "a list that lists everything");
await page.screenshot({ path: `${out}/rbl-lists.png`, fullPage: true });
const dark = await browser.newContext({ viewport: { width: 390, height: 844 }, colorScheme: "dark", storageState: await context.storageState() });
const phone = await dark.newPage();
await phone.goto(base + "/rbl?target=192.0.2.7");
await phone.waitForSelector(".verdict", { timeout: 20000 });
want(await phone.evaluate(() => document.documentElement.scrollWidth <= 390), "wider than a phone");
await phone.screenshot({ path: `${out}/rbl-phone.png`, fullPage: true });
want(errors.length === 0, errors.join("\n"));
await browser.close();
console.log("fine");
