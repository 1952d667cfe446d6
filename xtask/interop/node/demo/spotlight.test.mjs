// With SENTRY_SPOTLIGHT, the trace of a visit is in the real Spotlight.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { Program, startDemo, visit } from './lab.mjs';

const SPOTLIGHT = fileURLToPath(new URL('node_modules/@spotlightjs/spotlight/dist/run.js', import.meta.url));

// Spotlight reports its own faults to its makers, through this proxy, which hangs up.
async function deadEnd(test) {
  const proxy = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  test.after(() => proxy.close());
  return `http://127.0.0.1:${proxy.address().port}`;
}

// The timeout ends the test if a transaction never arrives.
test('a visit is one trace in Spotlight', { timeout: 60_000 }, async (test) => {
  const proxy = await deadEnd(test);
  const spotlight = new Program(test, process.execPath, [SPOTLIGHT, 'tail', 'traces', '-f', 'json', '-p', '0'], {
    https_proxy: proxy,
    http_proxy: proxy,
    no_proxy: '127.0.0.1',
  });
  const port = await spotlight.match(/Spotlight listening on (\d+)$/);
  const { storefront } = await startDemo(test, { SENTRY_SPOTLIGHT: `http://127.0.0.1:${port}/stream` });

  const traceId = await visit(test, storefront);
  const traces = await spotlight.printed((lines) => {
    const traces = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    return traces.length >= 4 && traces;
  });
  assert.deepEqual(
    traces.map(({ trace_id, release, transaction, op }) => [trace_id, release.split('@')[0], transaction, op]).sort(),
    [
      [traceId, 'browser', '/', 'pageload'],
      [traceId, 'inventory', 'GET /stock', 'http.server'],
      [traceId, 'inventory', 'GET /stock/{sku}', 'http.server'],
      [traceId, 'storefront', 'GET /', 'http.server'],
    ],
  );
});
