// Loads a page in a headless Chromium, waits until its script is done, and takes a screenshot. Prints what the page was
// rendered with and what its script shows, as JSON.

import { parseArgs } from 'node:util';

import { launch } from './chromium.mjs';

const { values } = parseArgs({
  options: {
    chromium: { type: 'string' },
    url: { type: 'string' },
    // A selector for the element in which the page's script shows that it is done.
    shows: { type: 'string' },
    // The URL of a request that the script makes after that, if it makes one.
    then: { type: 'string' },
    screenshot: { type: 'string' },
    'no-sandbox': { type: 'boolean', default: false },
  },
});

const browser = await launch(values.chromium, !values['no-sandbox']);
const complaints = [];
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(20_000);
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  const then = values.then && page.waitForResponse(values.then);
  const document = await page.goto(values.url);

  const tag = async (name) => {
    const tags = page.locator(`meta[name="${name}"]`);
    return (await tags.count()) === 0 ? null : tags.getAttribute('content');
  };
  const shown = await page.locator(values.shows).textContent();
  await then;
  await page.screenshot({ path: values.screenshot });
  const result = {
    sentry_trace: await tag('sentry-trace'),
    baggage: await tag('baggage'),
    server_timing: (await document.headerValue('server-timing')) ?? null,
    shown,
    complaints,
  };
  console.log(JSON.stringify(result));
} catch (error) {
  // The page's own errors say more than a timeout does.
  console.error([...complaints, error.message].join('\n'));
  process.exitCode = 1;
} finally {
  await browser.close();
}
