// page.mjs LOGIN-LINK ACCOUNT PNG: logs in with real Chromium, opens the case about ACCOUNT from the first page, takes a picture.
import { createRequire } from 'node:module';
const { chromium } = createRequire(new URL('../web/', import.meta.url))('playwright-core');
const [, , link, account, png] = process.argv;
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
try {
  await page.goto(link);
  await page.goto(new URL('/', link).href);
  if (!(await page.locator('body').innerText()).includes(account)) throw new Error('the first page lacks the account');
  await page.locator('main a[href^="/case/"]').first().click();
  await page.waitForURL(/\/case\/\d+/);
  const text = await page.locator('body').innerText();
  if (!text.includes(account) || !text.includes('status=bounced')) throw new Error('the case page lacks the account or its evidence');
  await page.screenshot({ path: png, fullPage: true });
} finally {
  await browser.close();
}
