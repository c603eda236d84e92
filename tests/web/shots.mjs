// shots.mjs URL-OF-LOGIN-LINK OUTDIR — a picture of each page: wide and light, dark, and on a phone. For looking at, and for the manual.
import { mkdirSync } from "node:fs";
import { launch } from "./browser.mjs";

const [, , link, out] = process.argv;
const pages = [["overview", "/"], ["cases", "/cases?state=all"], ["case", "/case/7"], ["search", "/search?account=anna%40brevik.example"], ["principals", "/principals"],
	["principal", "/principal/account/anna%40brevik.example"], ["about", "/about"], ["coverage", "/coverage"], ["hosts", "/exports/compromised-hosts"], ["policy", "/policy"], ["servers", "/servers"], ["server", "/principal/host/198.18.40.12"], ["listings", "/listings"], ["listings-history", "/listings/history"], ["backup", "/backup-mx"], ["backup-domain", "/backup-mx/halden.example"]];
mkdirSync(out, { recursive: true });
const browser = await launch();
const wide = await browser.newContext({ viewport: { width: 1280, height: 860 } });
const first = await wide.newPage();
await first.goto(link);
const base = new URL(link).origin;
const state = await wide.storageState();
for (const [kind, options] of [["wide", { viewport: { width: 1280, height: 860 } }], ["dark", { viewport: { width: 1280, height: 860 }, colorScheme: "dark" }],
	["phone", { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 }]]) {
	const context = await browser.newContext({ ...options, storageState: state });
	const page = await context.newPage();
	for (const [name, path] of pages) {
		await page.goto(base + path);
		await page.waitForTimeout(500);
		await page.screenshot({ path: `${out}/${name}-${kind}.png`, fullPage: true });
	}
	await page.goto(base + "/search?all=1");
	await page.locator("table.trace tbody tr a.mono").first().click();
	await page.screenshot({ path: `${out}/message-${kind}.png`, fullPage: true });
	await context.close();
}
const out2 = await browser.newContext({ viewport: { width: 1280, height: 700 } });
const login = await out2.newPage();
await login.goto(base + "/login");
await login.screenshot({ path: `${out}/login-wide.png` });
await browser.close();
