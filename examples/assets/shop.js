// Continues the trace of the page without an SDK, and sends the page load as a transaction.
"use strict";

// The trace in the meta tags of the page.
function pageTrace() {
  const content = (name) => document.querySelector(`meta[name="${name}"]`)?.content;
  const sentryTrace = content("sentry-trace")?.match(
    /^([0-9a-f]{32})-([0-9a-f]{16})(?:-([01]))?$/,
  );
  if (!sentryTrace) {
    return null;
  }
  const [, traceId, parentSpanId, sampled] = sentryTrace;
  return { traceId, parentSpanId, sampled, baggage: content("baggage") };
}

function newId(length) {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  const id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return /[1-9a-f]/.test(id) ? id : newId(length);
}

// The headers of a request that the span makes.
function traceHeaders(trace, spanId) {
  const decision = trace.sampled === undefined ? "" : `-${trace.sampled}`;
  const headers = { "sentry-trace": `${trace.traceId}-${spanId}${decision}` };
  if (trace.baggage) {
    headers.baggage = trace.baggage;
  }
  return headers;
}

// The dynamic sampling context, in the form of an envelope's header.
function dynamicSamplingContext(baggage) {
  const items = {};
  for (const [, name, value] of (baggage ?? "").matchAll(/(?:^|,)\s*sentry-([^=,\s]+)=([^,;\s]*)/g)) {
    try {
      items[name] = decodeURIComponent(value);
    } catch {
      items[name] = value;
    }
  }
  return items;
}

// The page load as a transaction, with the request as its only span.
function envelope(trace, load, request) {
  const { release, environment } = document.getElementById("shop").dataset;
  const span = { trace_id: trace.traceId, origin: "manual" };
  const parts = [
    {
      event_id: newId(16),
      sent_at: new Date().toISOString(),
      sdk: { name: "tracehop.example.page", version: release.replace(/^.*@/, "") },
      trace: dynamicSamplingContext(trace.baggage),
    },
    { type: "transaction" },
    {
      type: "transaction",
      platform: "javascript",
      release,
      environment,
      transaction: location.pathname,
      transaction_info: { source: "url" },
      start_timestamp: load.start,
      timestamp: now(),
      contexts: {
        trace: {
          ...span,
          span_id: load.spanId,
          parent_span_id: trace.parentSpanId,
          op: "pageload",
          status: "ok",
        },
      },
      spans: [
        {
          ...span,
          span_id: request.spanId,
          parent_span_id: load.spanId,
          op: "http.client",
          description: `GET ${request.url}`,
          status: request.status,
          start_timestamp: request.start,
          timestamp: request.end,
        },
      ],
    },
  ];
  return parts.map((part) => `${JSON.stringify(part)}\n`).join("");
}

// In seconds since 1970.
function now() {
  return (performance.timeOrigin + performance.now()) / 1000;
}

async function showStock(url, headers) {
  const response = await fetch(url, { headers });
  if (!response.ok) {
    throw new Error(`inventory answered ${response.status}`);
  }
  const { quantity } = await response.json();
  return `${quantity} in stock`;
}

// Sends text, which needs no preflight. With `keepalive` it is sent even if the visitor leaves the page.
function send(url, body) {
  return fetch(url, { method: "POST", body, keepalive: true });
}

async function pageLoad() {
  const trace = pageTrace();
  const { inventory, sku, envelopes } = document.getElementById("shop").dataset;
  const load = { spanId: newId(8), start: performance.timeOrigin / 1000 };
  const url = `${inventory}/stock/${encodeURIComponent(sku)}`;
  const request = { spanId: newId(8), url, start: now(), status: "ok" };
  const live = document.getElementById("live");
  try {
    live.textContent = await showStock(url, trace ? traceHeaders(trace, request.spanId) : {});
  } catch (error) {
    live.textContent = `not known: ${error.message}`;
    request.status = "unknown_error";
  }
  request.end = now();
  // A deferred decision counts as not sampled: this script makes no decision.
  if (trace?.sampled === "1") {
    const body = envelope(trace, load, request);
    // A failed request has no effect on the page.
    await Promise.allSettled(envelopes.split(" ").filter(Boolean).map((url) => send(url, body)));
  }
}

pageLoad();
