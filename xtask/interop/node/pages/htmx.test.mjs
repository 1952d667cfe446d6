// Pages of htmx, which sends what the filter `hx_headers` renders.

import assert from 'node:assert/strict';
import test from 'node:test';
import { BAGGAGE, TRACE_ID, arrived, open, origins } from './lab.mjs';

// The `sentry-trace` that the page was rendered with.
const rendered = (page) =>
  page.evaluate(() => JSON.parse(document.body.getAttribute('hx-headers'))['sentry-trace']);

// Acts in the page, and returns the request that arrived.
async function after(page, id, act) {
  await arrived(origins.own, id);
  const answered = page.waitForResponse(`**/call/${id}`);
  await act();
  await answered;
  const { requests } = await arrived(origins.own, id);
  return requests.at(-1);
}

test('htmx sends what the filter renders', async (test) => {
  const page = await open(test, '/htmx');
  const trace = await rendered(page);
  assert.match(trace, new RegExp(`^${TRACE_ID}-[0-9a-f]{16}-1$`));
  const assertCarries = ({ traces, baggage }) => assert.deepEqual([traces, baggage], [[trace], [BAGGAGE]]);

  for (const [name, id, act] of [
    ['clicks', 'click', () => page.click('#click')],
    ['forms', 'form', () => page.click('#form button')],
    ['boosted links', 'boost', () => page.click('#boost')],
    ['polling', 'poll', () => {}],
    ['inherited headers', 'inherited', () => page.click('#inherited')],
  ]) {
    await test.test(name, async () => {
      const request = await after(page, id, act);
      assertCarries(request);
      assert.ok(request.headers.some(([name]) => name === 'hx-request'));
      if (id === 'form') assert.deepEqual([request.method, request.body], ['POST', 'quantity=3']);
      if (id === 'inherited') assert.ok(request.headers.some(([name]) => name === 'x-application'));
    });
  }
  await test.test('overridden headers replace their names alone', async () => {
    const { traces, baggage } = await after(page, 'overridden', () => page.click('#overridden'));
    assert.deepEqual([traces, baggage], [[trace], ['tenant=7']]);
  });
  await test.test('swapped content sends its own trace', async () => {
    await page.click('#swap');
    await page.waitForSelector('#newer');
    const { traces } = await after(page, 'newer', () => page.click('#newer'));
    assert.match(traces[0], new RegExp(`^${TRACE_ID.slice(0, -1)}2-`));
    assertCarries(await after(page, 'click', () => page.click('#click')));
  });
  assert.deepEqual(page.complaints, []);
});

test('htmx runs no hostile baggage', async (test) => {
  for (const value of [
    `'><img/src=x/onerror=globalThis.ran=1>`,
    `"}';globalThis.ran=1;//`,
    'js:globalThis.ran=1',
    '\\u0022&quot;&#39;}',
    '${globalThis.ran=1}',
  ]) {
    const page = await open(test, '/htmx', { baggage: `sentry-a=${value},sentry-sample_rand=0.5` });
    const { traces, baggage } = await after(page, 'click', () => page.click('#click'));
    assert.deepEqual(traces, [await rendered(page)]);
    assert.match(baggage[0], /^sentry-a=.*,sentry-sample_rand=0\.5$|^sentry-sample_rand=0\.5$/);
    assert.equal(await page.evaluate(() => globalThis.ran), undefined);
    assert.deepEqual(page.complaints, []);
  }
});
