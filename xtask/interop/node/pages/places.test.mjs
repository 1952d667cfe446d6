// The places in a page that the docs of the bare filters call safe and unsafe.

import assert from 'node:assert/strict';
import test from 'node:test';
import { open } from './lab.mjs';

const ran = (page) => page.evaluate(() => globalThis.ran);

test('safe places keep hostile baggage as text', async (test) => {
  for (const value of [
    '"><script>globalThis.ran=1</script>',
    "'><img/src=x/onerror=globalThis.ran=1>",
    '</script><script>globalThis.ran=1</script>',
    '<!--<script>',
    '${globalThis.ran=1}`',
    "1;p=');globalThis.ran=1;//",
  ]) {
    const page = await open(test, '/places', { baggage: `sentry-a=${value},sentry-sample_rand=0.5` });
    const { text, double, single, json } = await page.evaluate(() => globalThis.read);
    assert.match(text, /sentry-sample_rand=0\.5$/);
    assert.deepEqual([double, single, json], [text, text, text]);
    assert.equal(await ran(page), undefined);
  }
});

test('unsafe places run hostile baggage', async (test) => {
  for (const [place, value] of [
    ['event', "1;p=';globalThis.ran=1;'"],
    ['template literal', '${globalThis.ran=1}'],
  ]) {
    const page = await open(test, '/places', { place, baggage: `sentry-a=${value},sentry-sample_rand=0.5` });
    assert.equal(await ran(page), 1, place);
  }
});
