import { open, serve, launch, trained } from './harness.js';
import { ready, visitView, choose } from './scenario.js';
const server = await serve();
const browser = await launch({webgpu:true});
const { page, errors } = await open(browser, `${server.url}#/train?data=mnist&b=64&e=3&lr=0.2`, {webgpu:true});
const P='/tmp/shots/';
import { mkdirSync } from 'node:fs'; mkdirSync(P,{recursive:true});
await ready(page);
await page.getByRole('button', { name: 'Start', exact: true }).click();
await trained(page, 'some steps', (e) => e.step >= 1000);
await visitView(page,'Draw'); await page.getByRole('button',{name:'Sample digit 5'}).click(); await page.waitForTimeout(800);
for (const theme of ['light','dark']) {
 for (const v of ['Train','Look inside','Draw','Test','Check']) {
  await visitView(page,v); 
  if (v==='Test' && theme==='light') { await page.getByRole('button',{name:'Test',exact:true}).click(); await page.getByRole('region',{name:'Mistakes'}).waitFor(); }
  if (v==='Check' && theme==='light') { await page.getByRole('button',{name:'Check',exact:true}).click(); await page.getByText(/^All .* agree/).waitFor(); }
  await page.waitForTimeout(700);
  await page.screenshot({path:`${P}${v.replace(' ','-')}-${theme}.png`, fullPage:true});
  await page.setViewportSize({width:360,height:740}); await page.waitForTimeout(700);
  await page.screenshot({path:`${P}${v.replace(' ','-')}-${theme}-phone.png`, fullPage:true});
  await page.setViewportSize({width:1280,height:900});
 }
 await page.getByRole('button', { name: /theme$/ }).click();
}
await browser.close(); await server.stop(); console.log(errors);
