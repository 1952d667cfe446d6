// Visits of a page that the browser has in its own cache are not in one trace.

import assert from 'node:assert/strict';
import test from 'node:test';
import { newContext, origins } from './lab.mjs';

// The pages that the browser shows again without asking.
const REUSED = ['last-modified', 'private', 'max-age', 'expires'];
const VISITS = 3;

// The `sentry-trace` of a visit, as the browser has it from the `Server-Timing`.
function traceOfVisit() {
  const [navigation] = performance.getEntriesByType('navigation');
  return navigation.serverTiming.find(({ name }) => name === 'sentry-trace')?.description;
}

test('each visit has a trace of its own, or none if the browser did not ask', async (test) => {
  const context = await newContext();
  test.after(() => context.close());
  const get = async (path) => (await context.request.get(`${origins.own}/cached${path}`)).json();
  const names = await get('');
  for (const name of names) {
    await test.test(name, async () => {
      const traces = [];
      for (let visit = 1; visit <= VISITS; visit++) {
        // A page of its own, because a second visit in the same one could count as a reload.
        const page = await context.newPage();
        await page.goto(`${origins.own}/cached/${name}`);
        traces.push(await page.evaluate(traceOfVisit));
        await page.close();
      }
      const answers = await get(`/${name}/answers`);
      if (REUSED.includes(name)) {
        assert.deepEqual(traces, Array(VISITS).fill(undefined));
        assert.deepEqual(answers, [200]);
      } else {
        assert.equal(new Set(traces).size, VISITS, String(traces));
        assert.ok(!traces.includes(undefined), String(traces));
        assert.deepEqual(answers, name.startsWith('etag') ? [200, 304, 304] : [200, 200, 200]);
      }
    });
  }
  assert.ok(REUSED.every((name) => names.includes(name)));
});
