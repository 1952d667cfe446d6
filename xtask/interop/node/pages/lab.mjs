// A browser, and the services that its pages call. `cargo xtask pages` starts them.

import assert from 'node:assert/strict';
import { after } from 'node:test';

import { launch } from '../chromium.mjs';

const { PAGES_OWN, PAGES_LISTED, PAGES_FOREIGN, PAGES_CHROMIUM, PAGES_SANDBOX } = process.env;

// The origin of the pages, another one that they list, and one that they do not list.
export const origins = { own: PAGES_OWN, listed: PAGES_LISTED, foreign: PAGES_FOREIGN };

// The trace that pages are rendered in.
export const TRACE_ID = '771a43a4192642f0b136d5159a501700';
export const BAGGAGE = 'sentry-release=shop%401,sentry-sample_rand=0.5';

const browser = await launch(PAGES_CHROMIUM, PAGES_SANDBOX === 'true');
export async function newContext() {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  context.setDefaultTimeout(20_000);
  return context;
}

export const context = await newContext();
after(() => browser.close());

// Opens a page, and closes it at the end of the test.
export async function open(test, path, parameters = {}, origin = origins.own) {
  const page = await context.newPage();
  test.after(() => page.close());
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  await page.goto(`${origin}${path}?${new URLSearchParams(parameters)}`);
  return page;
}

// A page in the trace, with the page script.
export const withScript = (test, more) =>
  open(test, '/page', { from: 'tags', script: 'file', origins: origins.listed, ...more });

// The same page without the script.
export const withoutScript = (test, more) => withScript(test, { ...more, script: '' });

let count = 0;

// A name for one call, by which a service lists it.
export const newId = () => `c${process.pid}-${++count}`;

// The requests and preflights of a call that arrived since the last time.
export async function arrived(origin, id) {
  const calls = await context.request.get(`${origin}/arrived/${id}`).then((response) => response.json());
  const requests = calls.map(({ method, headers, body }) => {
    const lines = (name) => headers.filter(([it]) => it === name).map(([, value]) => value);
    // The pages that are compared differ in their query.
    const others = headers
      .filter(([name]) => !['sentry-trace', 'baggage'].includes(name))
      .map(([name, value]) => [name, name === 'referer' ? value.split('?')[0] : value]);
    return { method, traces: lines('sentry-trace'), baggage: lines('baggage'), headers: others, body };
  });
  const isPreflight = ({ method }) => method === 'OPTIONS';
  return { preflights: requests.filter(isPreflight), requests: requests.filter((it) => !isPreflight(it)) };
}

// Asserts that a request is in the page's trace, and returns its span id.
export function spanOf({ traces }, traceId = TRACE_ID) {
  assert.equal(traces.length, 1, `sent ${JSON.stringify(traces)}`);
  const [, id, span] = traces[0].match(/^([0-9a-f]{32})-([0-9a-f]{16})-1$/) ?? assert.fail(traces[0]);
  assert.equal(id, traceId);
  return span;
}

// Calls the page's own origin, by `fetch` or by `xhr`, and returns what arrived.
export async function callOwn(page, way) {
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
