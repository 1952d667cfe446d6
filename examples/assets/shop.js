// Looks up the stock of an article, and sends the page load as a transaction. The page script has the trace.
import { traceHeaders } from "tracehop";

function newId(length) {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
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
  const [, parentSpanId] = document.querySelector("meta[name=sentry-trace]").content.split("-");
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
          parent_span_id: parentSpanId,
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

// With the headers of the span that is recorded. The page script adds none to a request that has a trace.
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
  const headers = traceHeaders();
  const [traceId, spanId, sampled] = headers["sentry-trace"]?.split("-") ?? [];
  const { inventory, sku, envelopes } = document.getElementById("shop").dataset;
  const load = { spanId: newId(8), start: performance.timeOrigin / 1000 };
  const url = `${inventory}/stock/${encodeURIComponent(sku)}`;
  const request = { spanId, url, start: now(), status: "ok" };
  const live = document.getElementById("live");
  try {
    live.textContent = await showStock(url, headers);
  } catch (error) {
    live.textContent = `not known: ${error.message}`;
    request.status = "unknown_error";
  }
  request.end = now();
  // A deferred decision counts as not sampled: the page makes no decision.
  if (sampled === "1") {
    const body = envelope({ traceId, baggage: headers.baggage }, load, request);
    // A failed request has no effect on the page.
    await Promise.allSettled(envelopes.split(" ").filter(Boolean).map((url) => send(url, body)));
  }
}

pageLoad();
