import { answered, finished, open, serve, launch } from './harness.js';
import { ready, visitView, choose } from './scenario.js';
const server = await serve();
const browser = await launch({ webgpu: true });
const { page, errors } = await open(browser, `${server.url}#/train?data=mnist&e=1&b=128`, { viewport: { width: 1366, height: 768 } });
await ready(page);
await page.waitForTimeout(800);
const shot = (name, full=false) => page.screenshot({ path: `screens/tour-${name}.png`, fullPage: full });
await shot('first-1366');
await finished(page, () => page.getByRole('button', { name: 'Start', exact: true }).click());
await page.getByRole('textbox', { name: /^Learning rate/ }).fill('0.2');
await finished(page, () => page.getByRole('button', { name: 'Start', exact: true }).click());
await page.waitForTimeout(1000);
for (const [w, h] of [[1366, 768], [1920, 1080], [390, 844], [683, 384]]) {
  await page.setViewportSize({ width: w, height: h });
  for (const v of ['Train', 'Look inside', 'Draw', 'Test']) {
    await visitView(page, v);
    if (v === 'Draw') { await page.getByRole('button', { name: 'Sample digit 3' }).click(); }
    if (v === 'Test' && w === 1366) { await page.getByRole('button', { name: 'Test', exact: true }).click(); await answered(page, 'test'); }
    if (v === 'Look inside') { await page.waitForTimeout(1500); const m = page.getByRole('slider', { name: /^Activations of ReLU/ }); if (await m.count()) await m.click({ position: { x: 30, y: 30 } }); await page.waitForTimeout(600); }
    await page.waitForTimeout(500);
    await page.evaluate(() => scrollTo(0, 0));
    await shot(`${v.replace(' ', '')}-${w}`, w !== 683);
  }
}
console.log(errors);
await browser.close(); await server.stop();
