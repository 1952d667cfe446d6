// The page script in pages of all kinds.

import assert from 'node:assert/strict';
import test from 'node:test';
import { BAGGAGE, TRACE_ID, arrived, callOwn, newId, open, origins, spanOf, withScript, withoutScript } from './lab.mjs';

// Calls by `fetch` from a page or a frame, and returns what arrived.
async function call(page, origin = origins.own, init) {
  const id = newId();
  const url = `${origin}/call/${id}`;
  await page.evaluate(([url, init]) => fetch(url, init).then((response) => response.text()), [url, init]);
  const { requests, preflights } = await arrived(origin, id);
  assert.equal(requests.length, 1);
  return { ...requests[0], preflights };
}

const assertUntouched = ({ traces, baggage }) => assert.deepEqual([traces, baggage], [[], []]);

test('Server-Timing is read without tags', async (test) => {
  // An empty tag counts as absent.
  for (const head of ['', '<meta name="sentry-trace" content="">']) {
    const page = await open(test, '/page', { from: 'timing', script: 'file', head });
    const request = await call(page);
    spanOf(request);
    assert.deepEqual(request.baggage, [BAGGAGE]);
  }
});

test('tags win over Server-Timing', async (test) => {
  const head = `<meta name="sentry-trace" content="${'1'.repeat(32)}-${'2'.repeat(16)}-1">`;
  const page = await open(test, '/page', { from: 'timing', script: 'file', head });
  const request = await call(page);
  spanOf(request, '1'.repeat(32));
  assert.deepEqual(request.baggage, []);
});

test('the decision of the tag is sent', async (test) => {
  for (const [tag, sent] of [
    ['-1', '-1'],
    ['-0', '-0'],
    ['', ''],
    ['-', ''],
  ]) {
    const head = `<meta name="sentry-trace" content=" ${'1'.repeat(32)}-${'2'.repeat(16)}${tag} ">`;
    const page = await open(test, '/page', { script: 'file', head });
    const { traces } = await call(page);
    assert.match(traces[0], new RegExp(`^1{32}-[0-9a-f]{16}${sent}$`));
  }
});

test('malformed or missing tags send no trace', async (test) => {
  const tag = (name, content) => `<meta name="${name}" content="${content}">`;
  const [id, span] = ['1'.repeat(32), '2'.repeat(16)];
  for (const head of [
    '',
    tag('baggage', BAGGAGE),
    tag('sentry-trace', ''),
    tag('sentry-trace', `${id}`),
    tag('sentry-trace', `${id}-${span}-2`),
    tag('sentry-trace', `${id}-${span}-1-1`),
    tag('sentry-trace', `${'0'.repeat(32)}-${span}-1`),
    tag('sentry-trace', `${id}-${'0'.repeat(16)}-1`),
    tag('sentry-trace', `${id.slice(1)}g-${span}-1`),
    tag('sentry-trace', `${id}-${span}-1`) + tag('baggage', 'no list'),
    tag('sentry-trace', `${id}-${span}-1`) + tag('baggage', 'sentry-a=&#10;x: y'),
    tag('sentry-trace', `${id}-${span}-1`) + tag('baggage', 'sentry-a=\u00e9'),
    tag('sentry-trace', `${id}-${span}-1`) + tag('baggage', '=,sentry-a=1'),
  ]) {
    const page = await open(test, '/page', { script: 'file', head });
    assertUntouched(await call(page));
    assert.deepEqual(page.complaints, [], head);
  }
});

test('baggage of others and of other traces is not sent', async (test) => {
  const id = '1'.repeat(32);
  for (const [baggage, sent] of [
    ['tenant=7', []],
    ['tenant=7,sentry-a=1', ['sentry-a=1']],
    [`sentry-trace_id=${id},sentry-a=1`, [`sentry-trace_id=${id},sentry-a=1`]],
    [`sentry-trace_id=${'3'.repeat(32)},sentry-a=1`, []],
  ]) {
    const head = `<meta name="sentry-trace" content="${id}-${'2'.repeat(16)}-1"><meta name="baggage" content="${baggage}">`;
    const page = await open(test, '/page', { script: 'file', head });
    const request = await call(page);
    spanOf(request, id);
    assert.deepEqual(request.baggage, sent);
  }
});

test('hostile baggage is sent as it is, and runs nowhere', async (test) => {
  for (const value of [
    `"><script>globalThis.ran=1</script>`,
    `'><img/src=x/onerror=globalThis.ran=1>`,
    '</script><!--`${globalThis.ran=1}',
    '&quot;&#34;&lt;',
  ]) {
    const page = await withScript(test, { baggage: `sentry-a=${value},sentry-sample_rand=0.5` });
    const request = await call(page);
    spanOf(request);
    assert.deepEqual(request.baggage, [await page.getAttribute('meta[name=baggage]', 'content')]);
    assert.equal(await page.evaluate(() => globalThis.ran), undefined);
  }
});

test('swapped tags are read at the next request', async (test) => {
  const page = await withScript(test);
  spanOf(await call(page));
  await page.evaluate(async () => {
    document.body.innerHTML = await fetch('/fragment?trace=2').then((response) => response.text());
  });
  spanOf(await call(page), TRACE_ID.slice(0, -1) + 2);
  await page.evaluate(() => document.querySelectorAll('meta').forEach((tag) => tag.remove()));
  assertUntouched(await call(page));
});

test('an earlier page keeps its trace', async (test) => {
  const page = await withScript(test, { trace: 1 });
  await page.goto(page.url().replace('trace=1', 'trace=2'));
  spanOf(await call(page), TRACE_ID.slice(0, -1) + 2);
  await page.goBack();
  spanOf(await call(page), TRACE_ID.slice(0, -1) + 1);
});

test('origins are compared as a whole', async (test) => {
  for (const origins of [
    'listed.example',
    `${'LISTED'}.evil.example`,
    `${'LISTED'}0`,
    'http://',
    'http://127.0.0.1',
    '//evil.example/?LISTED',
    '*',
  ]) {
    const page = await withScript(test, { origins: origins.replace('LISTED', process.env.PAGES_LISTED) });
    const request = await call(page, process.env.PAGES_LISTED);
    assertUntouched(request);
    assert.deepEqual(request.preflights, []);
  }
  const page = await withScript(test, { origins: ` http://a.example\n${origins.listed}/ ` });
  spanOf(await call(page, origins.listed));
  spanOf(await call(page, origins.own));
});

test('strict content security policies allow the script', async (test) => {
  const strict = "default-src 'none'; script-src 'nonce-cGFnZXM'; connect-src *; base-uri 'none'";
  for (const policy of [strict, `${strict}; require-trusted-types-for 'script'; trusted-types 'none'`]) {
    for (const script of ['file', 'inline']) {
      const page = await withScript(test, { script, policy });
      spanOf(await call(page));
      spanOf(await call(page, origins.listed));
      assert.deepEqual(page.complaints, []);
    }
  }
});

test('the export has a new span each time', async (test) => {
  const page = await withScript(test);
  const twice = await page.evaluate(async () => {
    const { traceHeaders } = await import(document.querySelector('script[src]').src);
    return [traceHeaders(), traceHeaders()];
  });
  const spans = twice.map(({ 'sentry-trace': trace, baggage }) => {
    assert.equal(baggage, BAGGAGE);
    return spanOf({ traces: [trace] });
  });
  assert.notEqual(spans[0], spans[1]);
  const inline = await withScript(test, { script: 'inline' });
  const headers = await inline.evaluate(() => globalThis.inlineHeaders);
  spanOf({ traces: [headers['sentry-trace']] });
});

test('workers can import the script without effect', async (test) => {
  const page = await withScript(test);
  const headers = await page.evaluate(() => {
    const { src } = document.querySelector('script[src]');
    const text = `import { traceHeaders } from ${JSON.stringify(src)}; postMessage(traceHeaders());`;
    const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    return new Promise((resolve, reject) => {
      const worker = new Worker(url, { type: 'module' });
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = reject;
    });
  });
  assert.deepEqual(headers, {});
});

test('a script that runs twice adds headers once', async (test) => {
  const page = await withScript(test);
  await page.evaluate(() => import(`${document.querySelector('script[src^="/tracehop"]').src}?again`));
  for (const way of ['fetch', 'xhr']) {
    const request = await callOwn(page, way);
    spanOf(request);
    assert.deepEqual(request.baggage, [BAGGAGE]);
  }
});

test('service workers keep the headers', async (test) => {
  const page = await withScript(test);
  await page.evaluate(async () => {
    const controlled = new Promise((resolve) => (navigator.serviceWorker.oncontrollerchange = resolve));
    await navigator.serviceWorker.register('/service-worker.js');
    await (navigator.serviceWorker.controller ?? controlled);
  });
  for (const [to, origin] of Object.entries(origins)) {
    const request = await call(page, origin);
    if (to === 'foreign') {
      assertUntouched(request);
      assert.deepEqual(request.preflights, []);
    } else {
      spanOf(request);
    }
  }
  await page.evaluate(async () => (await navigator.serviceWorker.getRegistration()).unregister());
});

test('frames have a trace of their own', async (test) => {
  const url = `/page?from=tags&script=file&trace=3&origins=${encodeURIComponent(origins.listed)}`;
  const body = `<iframe src="${url.replaceAll('&', '&amp;')}"></iframe>`;
  const page = await withScript(test, { body });
  const [, frame] = page.frames();
  await frame.waitForLoadState('load');
  for (const [to, origin] of Object.entries(origins)) {
    const request = await call(frame, origin);
    if (to === 'foreign') assertUntouched(request);
    else spanOf(request, TRACE_ID.slice(0, -1) + 3);
  }
  spanOf(await call(page));
});

test('frames without an origin send nothing to their server', async (test) => {
  const body = `<iframe sandbox="allow-scripts" src="/page?from=tags&amp;script=inline"></iframe>`;
  const page = await withScript(test, { body });
  const [, frame] = page.frames();
  await frame.waitForLoadState('load');
  const request = await call(frame);
  assertUntouched(request);
  assert.deepEqual(request.preflights, []);
});

test('a redirect to another origin takes the headers along', async (test) => {
  const go = async (page, to) => {
    const id = newId();
    const url = `${origins.own}/redirect/${id}?${new URLSearchParams({ to: `${to}/call/${id}` })}`;
    const ended = await page.evaluate(
      (url) => fetch(url).then((response) => [response.status, response.redirected], (error) => error.name),
      url,
    );
    return { ended, ...(await arrived(to, id)) };
  };
  const [scripted, plain] = [await withScript(test), await withoutScript(test)];
  // The other origin allows the headers, or does not: the browser decides by that.
  const listed = await go(scripted, origins.listed);
  assert.deepEqual(listed.ended, [200, true]);
  spanOf(listed.requests[0]);
  const foreign = await go(scripted, origins.foreign);
  assert.deepEqual([foreign.ended, foreign.requests], ['TypeError', []]);
  const without = await go(plain, origins.foreign);
  assert.deepEqual([without.ended, without.preflights], [[200, true], []]);
});

test('streamed bodies arrive whole', async (test) => {
  const secure = async (origin) => (await (await fetch(`${origin}/secure`)).text()).trim();
  const [own, listed, foreign] = await Promise.all(Object.values(origins).map(secure));
  const page = await open(test, '/page', { from: 'tags', script: 'file', origins: listed }, own);
  for (const [to, plain] of [[own, origins.own], [listed, origins.listed], [foreign, origins.foreign]]) {
    for (const kind of ['init', 'Request']) {
      const id = newId();
      const text = await page.evaluate(
        ([url, kind]) => {
          const body = new Blob(['tea', 'pot']).stream();
          const init = { method: 'POST', body, duplex: 'half', headers: { 'content-type': 'text/plain' } };
          const sent = kind === 'init' ? fetch(url, init) : fetch(new Request(url, init));
          return sent.then((response) => response.text(), String);
        },
        [`${to}/call/${id}`, kind],
      );
      assert.equal(text, 'POST 6');
      const [request] = (await arrived(plain, id)).requests;
      assert.equal(request.body, 'teapot');
      if (to === foreign) assertUntouched(request);
      else spanOf(request);
    }
  }
});

// The timeout ends the test if a request never arrives.
test('abort signals end the request', { timeout: 60_000 }, async (test) => {
  const page = await withScript(test);
  for (const kind of ['init', 'Request']) {
    const id = newId();
    const url = `${origins.own}/never/${id}`;
    const ended = page.evaluate(
      ([url, kind]) => {
        const controller = new AbortController();
        globalThis.abort = (reason) => controller.abort(reason);
        const { signal } = controller;
        const sent = kind === 'init' ? fetch(url, { signal }) : fetch(new Request(url, { signal }));
        return sent.catch((reason) => reason);
      },
      [url, kind],
    );
    let requests = [];
    while (requests.length === 0) ({ requests } = await arrived(origins.own, id));
    spanOf(requests[0]);
    await page.evaluate(() => globalThis.abort('enough'));
    assert.equal(await ended, 'enough');
  }
});

test('wrapped functions look like the originals', async (test) => {
  const look = () =>
    [fetch, XMLHttpRequest.prototype.open, XMLHttpRequest.prototype.send, XMLHttpRequest.prototype.setRequestHeader].map(
      (it) => [it.name, it.length, typeof it, String(it).replace(/ \w+\(/, ' (')],
    );
  const [scripted, plain] = [await withScript(test), await withoutScript(test)];
  assert.deepEqual(await scripted.evaluate(look), await plain.evaluate(look));
});

test('earlier wrappers get a string and plain options', async (test) => {
  const head = `<script>
    const original = fetch;
    fetch = (url, options) =>
      original(url.replace('', ''), { ...options, headers: { ...options.headers, 'x-application': '9' } });
  </script>`;
  const page = await withScript(test, { head });
  const request = await call(page, origins.own, { method: 'POST', body: 'tea' });
  spanOf(request);
  assert.deepEqual([request.method, request.body], ['POST', 'tea']);
  assert.ok(request.headers.some(([name, value]) => name === 'x-application' && value === '9'));
});

test('errors of the script do not reach the page', async (test) => {
  for (const broken of [
    'crypto.getRandomValues = () => { throw new Error("broken"); }',
    'document.querySelectorAll = null',
    'Headers = undefined',
    'URL = undefined',
    'Object.entries = () => { throw new Error("broken"); }',
  ]) {
    const page = await withScript(test);
    await page.evaluate(broken);
    assertUntouched(await call(page));
    assert.deepEqual(page.complaints, [], broken);
  }
});

test('frozen functions are not wrapped', async (test) => {
  const head = `<script>
    Object.defineProperty(globalThis, 'fetch', { value: fetch, writable: false });
    Object.freeze(XMLHttpRequest.prototype);
  </script>`;
  const page = await withScript(test, { head });
  assertUntouched(await call(page));
  assert.deepEqual(page.complaints, []);
});
