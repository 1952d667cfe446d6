// A service with Sentry's SDK for Node, which instruments the server and `fetch` by itself.

import http from 'node:http';
import { parseArgs } from 'node:util';
import * as Sentry from '@sentry/node';

const { values } = parseArgs({
  options: { listen: { type: 'string', default: '127.0.0.1:0' }, options: { type: 'string', default: '{}' } },
});
const options = JSON.parse(values.options);

function sampler() {
  if (options.sampler_answers !== undefined) {
    return () => options.sampler_answers;
  }
  if (options.sampler_inherits_or !== undefined) {
    return ({ inheritOrSampleWith }) => inheritOrSampleWith(options.sampler_inherits_or);
  }
  return undefined;
}

Sentry.init({
  dsn: options.dsn,
  release: options.release,
  environment: options.environment,
  orgId: options.org_id,
  tracesSampleRate: options.traces_sample_rate,
  tracesSampler: sampler(),
  strictTraceContinuation: options.strict_trace_continuation,
  propagateTraceparent: options.propagate_traceparent,
});

const HEADERS = ['sentry-trace', 'baggage', 'traceparent', 'tracestate'];

// In tracing without performance there is no span, but there is a position in the trace.
function position() {
  const span = Sentry.getActiveSpan();
  if (span) {
    return Sentry.spanToJSON(span);
  }
  const { traceId, parentSpanId } = Sentry.getCurrentScope().getPropagationContext();
  return { trace_id: traceId, parent_span_id: parentSpanId };
}

async function relay(request) {
  const { trace_id, span_id, parent_span_id } = position();
  const next = new URL(request.url, 'http://localhost').searchParams.get('next');
  const received = HEADERS.filter((name) => name in request.headers).map((name) => [name, request.headers[name]]);
  return {
    service: 'sentry-node',
    received: Object.fromEntries(received),
    trace_id,
    span_id,
    parent_span_id,
    next: next === null ? null : await (await fetch(next)).json(),
  };
}

const server = http.createServer(async (request, response) => {
  // Pages on other origins may call, with their trace.
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-allow-headers', 'sentry-trace, baggage');
  if (request.method === 'OPTIONS') {
    response.writeHead(204).end();
    return;
  }
  try {
    const body = JSON.stringify(await relay(request));
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  } catch (error) {
    console.error(error);
    response.writeHead(502).end(String(error));
  }
});
const [host, port] = values.listen.split(':');
server.listen(Number(port), host, () => {
  console.log(`sentry-node listening on http://${host}:${server.address().port}`);
});
