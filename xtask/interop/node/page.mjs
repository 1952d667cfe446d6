// The script of the pages that `ours` renders: Sentry's SDK for browsers, and one call to another origin.

import * as Sentry from '@sentry/browser';

const { options, next } = document.body.dataset;
const { dsn, release, environment, traces_sample_rate, propagate_traceparent } = JSON.parse(options);

Sentry.init({
  dsn,
  release,
  environment,
  tracesSampleRate: traces_sample_rate,
  propagateTraceparent: propagate_traceparent,
  integrations: [Sentry.browserTracingIntegration()],
  tracePropagationTargets: [new URL(next).origin],
});

// The SDK ends the page load some time after the last request.
const loaded = new Promise((resolve) => {
  Sentry.getClient().on('spanEnd', (span) => span === Sentry.getRootSpan(span) && resolve());
});
const response = await fetch(next);
const shown = document.getElementById('reply');
shown.textContent = JSON.stringify(await response.json(), null, 2);
await loaded;
await Sentry.flush();
shown.dataset.done = '';
