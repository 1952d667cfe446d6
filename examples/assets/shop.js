// What a front end without an SDK does to stay in the trace of its page.
"use strict";

// The trace that the page was rendered in.
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

function newSpanId() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  const id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return /[1-9a-f]/.test(id) ? id : newSpanId();
}

// The headers of a request that is made below a span.
function traceHeaders(trace, spanId) {
  const decision = trace.sampled === undefined ? "" : `-${trace.sampled}`;
  const headers = { "sentry-trace": `${trace.traceId}-${spanId}${decision}` };
  if (trace.baggage) {
    headers.baggage = trace.baggage;
  }
  return headers;
}

async function showStock(headers) {
  const { inventory, sku } = document.getElementById("shop").dataset;
  const response = await fetch(`${inventory}/stock/${encodeURIComponent(sku)}`, { headers });
  if (!response.ok) {
    throw new Error(`inventory answered ${response.status}`);
  }
  const { quantity } = await response.json();
  return `${quantity} in stock`;
}

async function pageLoad() {
  const trace = pageTrace();
  const spanId = newSpanId();
  const live = document.getElementById("live");
  try {
    live.textContent = await showStock(trace ? traceHeaders(trace, spanId) : {});
  } catch (error) {
    live.textContent = `not known: ${error.message}`;
  }
  if (trace) {
    await fetch("/hops", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        service: "browser",
        name: "page load",
        trace_id: trace.traceId,
        span_id: spanId,
        parent_span_id: trace.parentSpanId,
        sampled: trace.sampled === undefined ? null : trace.sampled === "1",
        dsc: trace.baggage ?? "",
        continued: true,
        reason: null,
        start_ms: performance.timeOrigin,
        duration_ms: performance.now(),
      }),
    });
  }
}

pageLoad();
