// The calls of pages, each as the text of an expression that runs in a page and returns what the page sees.

const xhr = (url, { method = 'GET', headers = {}, body, async = true, prepare = () => {} } = {}) =>
  `new Promise((resolve) => {
    const xhr = new XMLHttpRequest();
    (${prepare})(xhr);
    xhr.open('${method}', ${url}, ${async});
    for (const [name, value] of Object.entries(${JSON.stringify(headers)})) xhr.setRequestHeader(name, value);
    const done = () => resolve([xhr.status, xhr.responseText, xhr.events]);
    xhr.onloadend = done;
    try { xhr.send(${body}); } catch (error) { resolve(error.name); }
  })`;

const seen = 'async (response) => [response.type, response.status, response.redirected, await response.text()]';
const failed = '(error) => [error.name, error.message]';
const fetching = (line) => `(async () => ${line})().then(${seen}).catch(${failed})`;

// The calls by name. `call` is the expression, with the variable `url`. `sends` is the application's own baggage. `adds` is
// false if the page script adds nothing.
export const CALLS = {
  'a string': { call: fetching('fetch(url)') },
  'a URL': { call: fetching('fetch(new URL(url))') },
  'a Request': {
    call: fetching(`fetch(new Request(url, { method: 'POST', body: 'tea', headers: { 'x-application': '1' } }))`),
  },
  'a Request with a referrer': { call: fetching(`fetch(new Request(url, { referrer: '/elsewhere' }))`) },
  'a Request with a referrer, and no options': { call: fetching(`fetch(new Request(url, { referrer: '/elsewhere' }), {})`) },
  'a Request with options': { call: fetching(`fetch(new Request(url, { referrer: '/elsewhere' }), { method: 'PUT', body: 'tea' })`) },
  'init overriding a Request': {
    call: fetching(
      `fetch(new Request(url, { headers: { 'x-application': '1' } }), { method: 'PUT', body: 'tea', headers: { 'x-application': '2' } })`,
    ),
  },
  'init without headers for a Request': {
    call: fetching(`fetch(new Request(url, { headers: { 'x-application': '1' } }), { method: 'POST', body: 'tea' })`),
  },
  'a Request as init': { call: fetching(`fetch(url, new Request(url, { headers: { 'x-application': '1' }, method: 'DELETE' }))`) },
  'Headers': { call: fetching(`fetch(url, { headers: new Headers({ 'X-Application': '1' }) })`) },
  'a list of headers': { call: fetching(`fetch(url, { headers: [['x-application', '1'], ['x-application', '2']] })`) },
  'an iterator of headers': { call: fetching(`fetch(url, { headers: new Map([['x-application', '1']]).entries() })`) },
  'a frozen init': { call: fetching(`fetch(url, Object.freeze({ headers: Object.freeze({ 'x-application': '1' }) }))`) },
  'form data': { call: fetching(`fetch(url, { method: 'POST', body: new URLSearchParams({ quantity: 3 }) })`) },
  'baggage of the application': { call: fetching(`fetch(url, { headers: { Baggage: 'tenant=7' } })`), sends: 'tenant=7' },
  'baggage of the application in a Request': {
    call: fetching(`fetch(new Request(url, { headers: { baggage: 'tenant=7' } }))`),
    sends: 'tenant=7',
  },
  'a trace of the application': {
    call: fetching(`fetch(url, { headers: { 'Sentry-Trace': '1'.repeat(32) + '-' + '2'.repeat(16) } })`),
    adds: false,
  },
  'keepalive': { call: fetching(`fetch(url, { method: 'POST', body: 'tea', keepalive: true })`) },
  'no-cors': { call: fetching(`fetch(url, { mode: 'no-cors' })`), adds: false },
  'a Request with no-cors': { call: fetching(`fetch(new Request(url, { mode: 'no-cors' }))`), adds: false },
  'an earlier signal': { call: fetching(`fetch(url, { signal: AbortSignal.timeout(1e6) })`) },
  'an aborted signal': {
    call: fetching(`fetch(url, { signal: AbortSignal.abort(new RangeError('too late')) })`),
    adds: false,
  },
  'an unknown method of calling': { call: fetching(`fetch.call({}, url)`), adds: false },
  'an invalid header': { call: fetching(`fetch(url, { headers: { 'x application': '1' } })`), adds: false },
  'a blob': { call: fetching(`fetch(URL.createObjectURL(new Blob(['tea'])))`), adds: false },
  'a data URL': { call: fetching(`fetch('data:text/plain,tea')`), adds: false },
  'no arguments': { call: fetching(`fetch()`), adds: false },
  'XMLHttpRequest': { call: xhr('url') },
  'XMLHttpRequest with a URL': { call: xhr('new URL(url)', { headers: { 'X-Application': '1' } }) },
  'XMLHttpRequest with two arguments': {
    call: `new Promise((resolve) => {
      const xhr = new XMLHttpRequest();
      xhr.onload = xhr.onerror = () => resolve([xhr.status, xhr.responseText]);
      xhr.open('GET', url);
      xhr.send();
    })`,
  },
  'XMLHttpRequest, opened again': { call: xhr('url', { prepare: `(xhr) => xhr.open('PUT', '/call/never-sent')` }) },
  'XMLHttpRequest, synchronous': { call: xhr('url', { async: false }) },
  'XMLHttpRequest, upload with progress': {
    call: xhr('url', {
      method: 'POST',
      body: `'tea'.repeat(50_000)`,
      prepare: `(xhr) => {
        xhr.events = [];
        xhr.upload.onloadstart = xhr.upload.onload = ({ type, total }) => xhr.events.push([type, total]);
      }`,
    }),
  },
  'XMLHttpRequest with baggage': { call: xhr('url', { headers: { Baggage: 'tenant=7' } }), sends: 'tenant=7' },
  'XMLHttpRequest with a trace': {
    call: xhr('url', { headers: { 'Sentry-Trace': `${'1'.repeat(32)}-${'2'.repeat(16)}` } }),
    adds: false,
  },
  'an image': {
    call: `new Promise((resolve) => { const image = new Image(); image.onerror = () => resolve('loaded'); image.src = url; })`,
    adds: false,
  },
  'sendBeacon': { call: `navigator.sendBeacon(url, 'tea')`, adds: false },
};
