// The demo's programs and a browser. `cargo xtask pages` runs the tests.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after } from 'node:test';

import { launch } from '../chromium.mjs';

const { PAGES_DEMO, PAGES_CHROMIUM, PAGES_SANDBOX } = process.env;

export const browser = await launch(PAGES_CHROMIUM, PAGES_SANDBOX === 'true');
after(() => browser.close());

// A running program, killed after the test.
export class Program {
  #lines = [];
  #child;

  constructor(test, command, args, env = {}) {
    this.#child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    test.after(() => this.#child.kill('SIGKILL'));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      createInterface(stream).on('line', (line) => {
        this.#lines.push(line);
        this.#child.emit('line');
      });
    }
    this.#child.on('exit', () => this.#child.emit('line'));
  }

  // What `find` returns for the lines printed so far, as soon as it returns something.
  async printed(find) {
    for (;;) {
      const found = find(this.#lines);
      if (found) return found;
      if (this.#child.exitCode !== null) throw new Error(`the program ended:\n${this.#lines.join('\n')}`);
      await once(this.#child, 'line');
    }
  }

  // The first group of the first line that matches.
  match(pattern) {
    return this.printed((lines) => lines.map((line) => line.match(pattern)).find(Boolean)?.[1]);
  }
}

// Starts the demo, and returns the URLs of its services.
export async function startDemo(test, env = {}) {
  const demo = new Program(test, PAGES_DEMO, [], { SENTRY_DSN: '', SENTRY_SPOTLIGHT: '', ...env });
  const url = (name) => demo.match(new RegExp(`^${name} listening on (.+)$`));
  return { storefront: await url('storefront'), collector: await url('collector') };
}

// Opens a page, and closes it after the test.
export async function open(test, url, options = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(20_000);
  test.after(() => context.close());
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

// Visits the storefront, and returns the id of the page's trace when its script is done.
export async function visit(test, storefront) {
  const page = await open(test, storefront);
  await page.locator('#live', { hasText: 'in stock' }).waitFor();
  const tag = await page.locator('meta[name=sentry-trace]').getAttribute('content');
  return tag.split('-')[0];
}
