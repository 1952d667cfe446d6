// Sentry's SDK for browsers, for a page that decides itself when to start it.

import * as Sentry from '@sentry/browser';

globalThis.Sentry = Sentry;
