// One Chromium per test file, and a watch over every page: what it logged, what it asked for, what it looked like.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

/** Slow machines may multiply every limit of time. */
const SCALE = Number(process.env.MTDIT_TIME_SCALE ?? 1);

/** Milliseconds that something may take, by how much work it is. */
export const LIMIT = {
  /** Something is shown that was already there. */
  shown: 10_000 * SCALE,
  /** The engine starts, or a small checkpoint is read. */
  loaded: 120_000 * SCALE,
  /** A small policy samples, also on a GPU that is emulated on two cores. */
  sampled: 240_000 * SCALE,
};

/** Sizes of screens, in CSS pixels. */
export const SCREEN = { phone: { width: 360, height: 740 }, desktop: { width: 1280, height: 900 } };

const ARGUMENTS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  // Nothing can be reached, so a page that needs the network fails here as it would on a robot's.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];

/** Where screenshots are kept. */
export const ARTEFACTS = process.env.MTDIT_ARTEFACTS ?? 'artefacts';

export async function launch() {
  const browser = await chromium.launch({
    executablePath: process.env.MTDIT_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: ARGUMENTS,
  });
  return new Browser(browser);
}

class Browser {
  constructor(browser) {
    this.browser = browser;
  }

  /** A visitor with an empty cache. */
  async visitor({ screen = 'desktop', dark = false } = {}) {
    const context = await this.browser.newContext({
      viewport: SCREEN[screen],
      colorScheme: dark ? 'dark' : 'light',
      permissions: ['clipboard-read', 'clipboard-write', 'camera'],
      acceptDownloads: true,
    });
    context.setDefaultTimeout(LIMIT.shown);
    return new Visitor(context);
  }

  /** Ends the browser's graphics process, as a faulty driver does. The browser starts another one. */
  async crashGpu() {
    const session = await this.browser.newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    await session.detach();
    process.kill(processInfo.find(({ type }) => type === 'GPU').id, 'SIGKILL');
  }

  close() {
    return this.browser.close();
  }
}

class Visitor {
  /** Everything that pages of this visitor logged as an error, or failed with. */
  errors = [];
  /** Addresses of all requests, the worker's too. */
  requests = [];

  constructor(context) {
    this.context = context;
    context.on('request', (request) => this.requests.push(request.url()));
    context.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(message.text());
    });
    context.on('weberror', (error) => this.errors.push(String(error.error())));
  }

  /** An empty tab. */
  tab() {
    return this.context.newPage();
  }

  /** Nothing was logged as an error, but what these patterns match. */
  assertQuiet(...expected) {
    const loud = this.errors.filter((text) => !expected.some((pattern) => pattern.test(text)));
    assert.deepEqual(loud, [], 'errors in the console');
  }

  /** No page asked for anything outside this machine. */
  assertStayedHome() {
    const outside = this.requests.filter(
      (url) => /^(https?|wss?):/.test(url) && !/^\w+:\/\/(127\.0\.0\.1|localhost)[:/]/.test(url),
    );
    assert.deepEqual(outside, [], 'requests that left this machine');
  }

  async leave() {
    await this.context.close();
  }
}

/** Keeps a picture of the whole page. */
export async function screenshot(page, name) {
  mkdirSync(ARTEFACTS, { recursive: true });
  // Anything else would put a style into the page, which its security policy forbids.
  const asItIs = { animations: 'allow', caret: 'initial' };
  await page.screenshot({ path: join(ARTEFACTS, `${name}.png`), fullPage: true, ...asItIs });
}

/** Drops files or folders of this machine onto an element, as a file manager would. */
export async function drop(page, locator, paths) {
  await locator.scrollIntoViewIfNeeded();
  const box = await locator.boundingBox();
  const at = { x: box.x + box.width / 2, y: box.y + Math.min(box.height / 2, 40) };
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop']) {
    await session.send('Input.dispatchDragEvent', { type, ...at, data });
  }
  await session.detach();
}

/** Puts a picture into the clipboard and pastes it where the focus is. */
export async function paste(page, png) {
  await page.evaluate(async (base64) => {
    const blob = new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], { type: 'image/png' });
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]);
  }, png.toString('base64'));
  await page.keyboard.press('Control+V');
}

/** Lets a page's origin store no more than this. */
export async function limitStorage(page, origin, bytes) {
  const session = await page.context().newCDPSession(page);
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: bytes });
}

/** Waits until `check` gives something true, and returns that. */
export async function until(check, what, limit = LIMIT.shown) {
  const began = performance.now();
  for (;;) {
    const found = await check();
    if (found) return found;
    assert.ok(performance.now() - began < limit, `${what}: not within ${limit} ms`);
    await new Promise((done) => setTimeout(done, 25));
  }
}
