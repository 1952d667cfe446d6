// Each call to each origin, with the page script and without it: only the trace differs.

import assert from 'node:assert/strict';
import test from 'node:test';
import { CALLS } from './calls.mjs';
import { BAGGAGE, arrived, newId, origins, spanOf, withScript, withoutScript } from './lab.mjs';

async function run(page, origin, call) {
  const id = newId();
  const run = new Function('url', `return ${call}`);
  const result = await page.evaluate(`(${run})(${JSON.stringify(`${origin}/call/${id}`)})`);
  return { result, ...(await arrivedOnce(origin, id, call)) };
}

// The page gets no response to `sendBeacon`, so this asks the service until the request has arrived.
async function arrivedOnce(origin, id, call) {
  let all = await arrived(origin, id);
  while (/sendBeacon/.test(call) && all.requests.length === 0) all = await arrived(origin, id);
  return all;
}

const withoutTrace = (requests) => requests.map(({ traces, baggage, ...rest }) => rest);

// The timeout ends the test if a request never arrives.
test('calls with the page script differ by the trace alone', { timeout: 120_000 }, async (test) => {
  const [scripted, plain] = [await withScript(test), await withoutScript(test)];
  const spans = new Set();
  for (const [name, { call, sends, adds = true }] of Object.entries(CALLS)) {
    for (const [to, origin] of Object.entries(origins)) {
      await test.test(`${name}, ${to} origin`, async () => {
        const actual = await run(scripted, origin, call);
        const expected = await run(plain, origin, call);
        assert.deepEqual(actual.result, expected.result);
        assert.deepEqual(withoutTrace(actual.requests), withoutTrace(expected.requests));
        if (to === 'foreign' || !adds) {
          // Preflights included.
          assert.deepEqual(actual, expected);
          return;
        }
        const [request, ...more] = actual.requests;
        assert.deepEqual(more, []);
        spans.add(spanOf(request));
        assert.deepEqual(request.baggage, [sends ? `${sends}, ${BAGGAGE}` : BAGGAGE]);
      });
    }
  }
  await test.test('each request has a span id of its own', () => {
    const added = Object.values(CALLS).filter(({ adds = true }) => adds).length;
    assert.equal(spans.size, 2 * added);
  });
  assert.deepEqual(scripted.complaints, []);
});
