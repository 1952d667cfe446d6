// The page script beside Sentry's SDK, which then does it all.

import assert from 'node:assert/strict';
import test from 'node:test';
import { arrived, newId, origins, spanOf, withScript } from './lab.mjs';

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

async function call(page, way) {
  const id = newId();
  await page.evaluate(
    ([way, url]) =>
      way === 'fetch'
        ? fetch(url).then((response) => response.text())
        : new Promise((resolve) => {
            const xhr = new XMLHttpRequest();
            xhr.onload = resolve;
            xhr.open('GET', url);
            xhr.send();
          }),
    [way, `${origins.own}/call/${id}`],
  );
  return (await arrived(origins.own, id)).requests[0];
}

const headers = (page) =>
  page.evaluate(async () => (await import(document.querySelector('script[src^="/tracehop"]').src)).traceHeaders());

for (const when of ['earlier', 'later']) {
  test(`an SDK that is loaded ${when}`, async (test) => {
    const script = '<script src="/sentry.js"></script>';
    const page = await withScript(test, when === 'earlier' ? { head: script } : {});
    if (when === 'later') {
      spanOf(await call(page, 'fetch'));
      await page.addScriptTag({ url: '/sentry.js' });
    }
    await start(page);
    for (const way of ['fetch', 'xhr']) {
      const { traces, baggage } = await call(page, way);
      // In the trace of the tags, by the SDK alone: its own list, and no second one behind it.
      spanOf({ traces });
      assert.equal(baggage.length, 1);
      assert.equal(baggage[0].match(/sentry-sample_rand=/g).length, 1);
    }
    assert.deepEqual(await headers(page), {});
    assert.deepEqual(page.complaints, []);
  });
}
