// Debian's Chromium, without a window.

import { chromium } from 'playwright-core';

export const launch = (executablePath, chromiumSandbox) =>
  chromium.launch({
    executablePath,
    chromiumSandbox,
    // Without traffic of its own, and where the shared memory is small.
    args: [
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-dev-shm-usage',
    ],
  });
