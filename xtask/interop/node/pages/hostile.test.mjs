// What hostile callers send stays in the values of tags and timings.

import assert from 'node:assert/strict';
import test from 'node:test';
import { context, origins } from './lab.mjs';

const get = async (path) => (await context.request.get(`${origins.own}/hostile${path}`)).json();

// What a page is made of, as the browser reads it.
function read() {
  const attributes = (tag) => [...tag.attributes].map((attribute) => attribute.value);
  const [navigation] = performance.getEntriesByType('navigation');
  return {
    elements: [...document.querySelectorAll('*')].map((element) => element.localName),
    tags: [...document.querySelectorAll('meta')].map(attributes),
    timings: navigation.serverTiming.map(({ name, description }) => [name, description]),
    ran: 'ran' in globalThis || document.cookie !== '',
  };
}

test('pages for hostile callers have what was rendered, and nothing runs', async (test) => {
  const page = await context.newPage();
  test.after(() => page.close());
  const callers = await get('');
  assert.ok(callers > 0);
  for (let caller = 0; caller < callers; caller++) {
    await page.goto(`${origins.own}/hostile/${caller}`);
    const tags = await get(`/${caller}/tags`);
    assert.ok(tags.length > 0);
    const elements = ['html', 'head', ...tags.map(() => 'meta'), 'title', 'body'];
    const expected = { elements, tags, timings: tags, ran: false };
    assert.deepEqual(await page.evaluate(read), expected, `caller ${caller}`);
  }
});
