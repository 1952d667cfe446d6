// Takes screenshots of a trace's page: light, dark and narrow.

import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { launch } from '../chromium.mjs';

const { values } = parseArgs({
  options: {
    chromium: { type: 'string' },
    url: { type: 'string' },
    folder: { type: 'string' },
    'no-sandbox': { type: 'boolean', default: false },
  },
});

const WIDE = { width: 1200, height: 515 };
const SCREENSHOTS = [
  ['trace.png', { viewport: WIDE, colorScheme: 'light' }],
  ['trace-dark.png', { viewport: WIDE, colorScheme: 'dark' }],
  ['trace-narrow.png', { viewport: { width: 390, height: 844 }, colorScheme: 'light' }],
];

const browser = await launch(values.chromium, !values['no-sandbox']);
for (const [name, options] of SCREENSHOTS) {
  const page = await browser.newPage(options);
  await page.goto(values.url);
  const path = join(values.folder, name);
  await page.screenshot({ path });
  console.error(`screenshot: ${path}`);
}
await browser.close();
