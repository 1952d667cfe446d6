// Reads headers with the functions of Sentry's SDKs for JavaScript, and writes them again: a line of JSON each.

import readline from 'node:readline';
import {
  baggageHeaderToDynamicSamplingContext,
  dynamicSamplingContextToSentryBaggageHeader,
  extractTraceparentData,
  generateSentryTraceHeader,
} from '@sentry/core';

function readSentryTrace(value) {
  const { traceId, parentSpanId, parentSampled } = extractTraceparentData(value) ?? {};
  const values = {};
  if (traceId !== undefined) {
    values.trace_id = traceId;
  }
  if (parentSpanId !== undefined) {
    values.span_id = parentSpanId;
  }
  if (parentSampled !== undefined) {
    values.sampled = parentSampled ? '1' : '0';
  }
  const written = traceId && parentSpanId ? generateSentryTraceHeader(traceId, parentSpanId, parentSampled) : '';
  return { values, written };
}

function readBaggage(value) {
  const values = baggageHeaderToDynamicSamplingContext(value);
  return { values: values ?? {}, written: dynamicSamplingContextToSentryBaggageHeader(values) ?? '' };
}

const lines = [];
for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { name, value } = JSON.parse(line);
  lines.push(JSON.stringify(name === 'baggage' ? readBaggage(value) : readSentryTrace(value)));
}
process.stdout.write(lines.map((line) => `${line}\n`).join(''));
