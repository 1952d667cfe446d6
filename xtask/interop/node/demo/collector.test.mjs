// The collector's pages as a visitor uses them.

import assert from 'node:assert/strict';
import test from 'node:test';

import { open, startDemo, visit } from './lab.mjs';

const NARROW = { viewport: { width: 390, height: 844 } };
const WHOLE = '6 spans';

// Waits until the trace of a visit is whole in the collector, and returns its page.
async function traceOf(test, { storefront, collector }, options) {
  const page = await open(test, `${collector}/traces/${await visit(test, storefront)}`, options);
  await page.locator('.facts', { hasText: WHOLE }).first().waitFor();
  return page;
}

test('the list and a trace show what arrives while they are open', async (test) => {
  const { storefront, collector } = await startDemo(test);
  const list = await open(test, collector);
  assert.match(await list.locator('.empty').textContent(), /No trace has arrived yet/);
  const traceId = await visit(test, storefront);
  await list.locator('.traces a', { hasText: WHOLE }).waitFor();

  await list.getByText(traceId).click();
  assert.equal(new URL(list.url()).pathname, `/traces/${traceId}`);
  assert.equal(await list.locator('.bar').count(), 6);
});

test('an unknown trace is a page, which shows the trace when it arrives', async (test) => {
  const { collector } = await startDemo(test);
  const traceId = '771a43a4192642f0b136d5159a501700';
  const page = await open(test, `${collector}/traces/${traceId}`);
  assert.match(await page.locator('.empty').textContent(), new RegExp(traceId));

  const span = { trace_id: traceId, span_id: '1111111111111111' };
  const transaction = { transaction: 'GET /late', start_timestamp: 1, timestamp: 2, contexts: { trace: span } };
  const envelope = [{}, { type: 'transaction' }, transaction].map((part) => JSON.stringify(part)).join('\n');
  await fetch(`${collector}/api/1/envelope/`, { method: 'POST', body: envelope });
  await page.getByRole('banner').getByText('GET /late').waitFor();
});

test('ids are copied', async (test) => {
  const options = { permissions: ['clipboard-read', 'clipboard-write'] };
  const page = await traceOf(test, await startDemo(test), options);
  const button = page.getByRole('button').first();
  await button.click();
  await page.getByRole('button', { name: 'copied' }).waitFor();
  const traceId = new URL(page.url()).pathname.split('/').at(-1);
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), traceId);
});

test('an error is marked on its bar, with message and stack below', async (test) => {
  const page = await traceOf(test, await startDemo(test));
  const row = page.locator('details', { has: page.locator('.mark') });
  assert.match(await row.locator('summary .name').textContent(), /GET \/stock .*http\.server/);
  assert.equal(await row.locator('.event').textContent(), '⚠ error: SoldOut: there is no kettle left');
  assert.match(await row.locator('pre').textContent(), /report_sold_out \(inventory\.rs:\d+\)/);
  assert.ok(await row.locator('pre').isVisible());
});

test('no page is wider than a narrow window', async (test) => {
  const demo = await startDemo(test);
  const width = (page) => page.evaluate(() => document.documentElement.scrollWidth);
  for (const path of ['/', '/traces/0', `/traces/${'x'.repeat(300)}`]) {
    assert.equal(await width(await open(test, `${demo.collector}${path}`, NARROW)), 390, path);
  }
  const page = await traceOf(test, demo, NARROW);
  assert.equal(await width(page), 390);
  await page.evaluate(() => document.querySelectorAll('details').forEach((row) => (row.open = true)));
  assert.equal(await width(page), 390, 'with all details');
  assert.equal(await width(await open(test, demo.collector, NARROW)), 390, 'the list');
  assert.equal(await width(await open(test, demo.storefront, NARROW)), 390, 'the storefront');
});

test('pages have the colours that the visitor prefers', async (test) => {
  const demo = await startDemo(test);
  for (const url of Object.values(demo)) {
    const lightness = async (colorScheme) => {
      const page = await open(test, url, { colorScheme });
      const color = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      return Math.max(...color.match(/\d+/g).slice(0, 3).map(Number));
    };
    assert.ok((await lightness('light')) > 200, url);
    assert.ok((await lightness('dark')) < 60, url);
  }
});
