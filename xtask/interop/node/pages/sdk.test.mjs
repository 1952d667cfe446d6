// The page script beside Sentry's SDK: only the SDK adds headers then.

import assert from 'node:assert/strict';
import test from 'node:test';
import { callOwn, origins, spanOf, withScript } from './lab.mjs';

const start = (page) =>
  page.evaluate(
    ([dsn, listed]) =>
      globalThis.Sentry.init({
        dsn,
        integrations: [globalThis.Sentry.browserTracingIntegration()],
        tracesSampleRate: 1,
        tracePropagationTargets: ['/', listed],
      }),
    [`${origins.own.replace('//', '//key@')}/1`, origins.listed],
  );

const headers = (page) =>
  page.evaluate(async () => (await import(document.querySelector('script[src^="/tracehop"]').src)).traceHeaders());

for (const when of ['earlier', 'later']) {
  test(`an SDK that is loaded ${when} adds the headers alone`, async (test) => {
    const script = '<script src="/sentry.js"></script>';
    const page = await withScript(test, when === 'earlier' ? { head: script } : {});
    if (when === 'later') {
      spanOf(await callOwn(page, 'fetch'));
      await page.addScriptTag({ url: '/sentry.js' });
    }
    await start(page);
    for (const way of ['fetch', 'xhr']) {
      const { traces, baggage } = await callOwn(page, way);
      // In the trace of the tags, and with one list of baggage: the SDK's own.
      spanOf({ traces });
      assert.equal(baggage.length, 1);
      assert.equal(baggage[0].match(/sentry-sample_rand=/g).length, 1);
    }
    assert.deepEqual(await headers(page), {});
    assert.deepEqual(page.complaints, []);
  });
}
