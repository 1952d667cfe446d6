// Starts a Chromium without a window.

import { chromium } from 'playwright-core';

export const launch = (executablePath, chromiumSandbox) =>
  chromium.launch({
    executablePath,
    chromiumSandbox,
    // Without traffic of its own, and without the shared memory, which is often too small in a container.
    args: [
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-dev-shm-usage',
    ],
  });
