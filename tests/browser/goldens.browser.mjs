// Every golden case over both of the browser's backends, through the page's own loader (goldens.rs is the worker).
import assert from 'node:assert/strict';
import { appendFile, readdir, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { LIMIT, launch } from './browser.mjs';
import { serve } from './server.mjs';

const CASES = process.env.MTDIT_GOLDEN_DIR;
const WORKER = process.env.MTDIT_GOLDENS_WORKER;
const MATRIX = process.env.MTDIT_MATRIX;
/**
 * The worst error of a case as a share of what the native tests allow. The browser's own backends add in another order than the
 * native ones do, no more: the allowance is the native one, once.
 */
const ALLOWED = 1;

const names = (await readdir(CASES)).filter((name) => existsSync(join(CASES, name, 'io.safetensors'))).sort();

describe('golden cases in the browser', () => {
  let server, browser;
  before(async () => {
    assert.ok(names.length > 0, `there is no golden case in ${CASES}`);
    await writeFile(join(WORKER, 'worker.js'), "importScripts('goldens.js'); wasm_bindgen('goldens_bg.wasm');");
    await writeFile(join(WORKER, 'index.html'), '<!doctype html><title>goldens</title><link rel="icon" href="data:," />');
    server = await serve({ '/': WORKER, '/cases/': CASES });
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  for (const backend of ['cpu', 'webgpu']) {
    it(`${backend}: every stage of every case equals LeRobot's`, { timeout: 5 * LIMIT.sampled }, async () => {
      const visitor = await browser.visitor();
      const page = await visitor.context.newPage();
      page.on('console', (message) => message.type() === 'error' && console.error(`  ${message.text()}`));
      await page.goto(`${server.origin}/`);
      const faults = [];
      await page.evaluate(() => {
        window.worker = new Worker('./worker.js');
        window.ask = (order) =>
          new Promise((answer) => {
            window.worker.onmessage = ({ data }) => answer(data);
            window.worker.onerror = (event) => answer(JSON.stringify({ failed: event.message }));
            if (order) window.worker.postMessage(JSON.stringify(order));
          });
        return window.ask();
      });
      for (const name of names) {
        const order = { backend, case: name, url: `${server.origin}/cases/${name}` };
        const stages = JSON.parse(await page.evaluate((order) => window.ask(order), order));
        assert.ok(Array.isArray(stages), `${name}: ${JSON.stringify(stages)}`);
        const compared = stages.flatMap(([, measured]) => measured).length;
        assert.ok(compared >= 7, `${name}: only ${compared} comparisons`);
        for (const [stage, measured] of stages) {
          const row = { backend: backend === 'cpu' ? 'wasm cpu' : 'webgpu', case: name, stage, measured };
          await appendFile(MATRIX, `${JSON.stringify(row)}\n`);
          faults.push(...measured.filter(({ excess }) => !(excess <= ALLOWED)).map(({ what, words }) => `${what}: ${words}`));
        }
      }
      await visitor.leave();
      assert.deepEqual(faults, []);
    });
  }
});
