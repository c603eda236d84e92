import { launch } from "./browser.mjs";
const [, , link, out, ...paths] = process.argv;
const browser = await launch();
const ctx = await browser.newContext({ viewport: { width: 1280, height: 860 } });
const page = await ctx.newPage();
page.on("console", m => { if (m.type() === "error") console.log("console:", m.text()); });
await page.goto(link);
const base = new URL(link).origin;
let i = 0;
for (const p of paths) { await page.goto(base + p); await page.waitForTimeout(600); await page.screenshot({ path: `${out}-${i++}.png`, fullPage: true }); }
const phone = await browser.newContext({ viewport: { width: 390, height: 844 }, storageState: await ctx.storageState() });
const q = await phone.newPage(); i = 0;
for (const p of paths) { await q.goto(base + p); await q.waitForTimeout(400); await q.screenshot({ path: `${out}-phone-${i++}.png`, fullPage: true }); 
 console.log(p, await q.evaluate(() => document.documentElement.scrollWidth)); }
await browser.close();
