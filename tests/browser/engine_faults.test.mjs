// The breakages themselves, in a bare worker: each one must be seen to break what it says.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { launch } from './browser.mjs';
import { breakEngine, tellEngine } from './engine_faults.mjs';
import { serve } from './server.mjs';

/** Looks at everything that can be broken. */
const WORKER = `
async function attempt(what) {
  try { return await what(); } catch (error) { return error.name; }
}
async function look() {
  const seen = { gpu: navigator.gpu !== undefined, directory: navigator.storage.getDirectory !== undefined };
  const adapter = await navigator.gpu?.requestAdapter();
  seen.adapter = Boolean(adapter);
  seen.features = adapter && [...adapter.features];
  seen.timestamps = adapter?.features.has('timestamp-query');
  seen.buffer = adapter?.limits.maxBufferSize;
  seen.write = await attempt(async () => {
    const folder = await navigator.storage.getDirectory();
    const file = await folder.getFileHandle('x', { create: true });
    const access = await file.createSyncAccessHandle();
    try { return access.write(new Uint8Array(8)); } finally { access.close(); }
  });
  seen.put = await attempt(async () => (await caches.open('x')).put('/x', new Response('x')));
  self.device = await attempt(() => adapter?.requestDevice());
  seen.device = self.device?.queue ? 'made' : self.device;
  seen.clock = await attempt(() => performance.now() > 0);
  self.device?.lost?.then(({ reason }) => postMessage({ lost: reason }));
  return seen;
}
self.onmessage = async ({ data }) => {
  if (data === 'submit') self.device.queue.submit([]);
  else postMessage(await look());
};
`;

const PAGE = `<!doctype html><script src="page.js" integrity="sha384-x"></script><script>
  worker = new Worker('engine-0.js');
  said = [];
  worker.onmessage = ({ data }) => said.push(data);
  look = (word) => new Promise((done) => {
    worker.addEventListener('message', ({ data }) => done(data), { once: true });
    worker.postMessage(word);
  });
</script>`;

describe('a broken engine', () => {
  let folder;
  let server;
  let browser;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mtdit-engine-'));
    await writeFile(join(folder, 'engine-0.js'), WORKER);
    await writeFile(join(folder, 'index.html'), PAGE);
    await writeFile(join(folder, 'page.js'), 'window.ran = true;');
    server = await serve({ '/': folder });
    browser = await launch();
  });
  after(async () => {
    await browser.close();
    await server.close();
    await rm(folder, { recursive: true });
  });

  /** What a worker sees that is broken so, and the page it runs in. */
  async function seen(breakage) {
    server.clear();
    if (breakage) breakEngine(server, breakage);
    const page = await (await browser.visitor()).tab();
    await page.goto(`${server.origin}/`);
    return { page, ...(await page.evaluate(() => look('look'))) };
  }

  it('is whole without a breakage', async () => {
    const whole = await seen();
    assert.ok(whole.gpu && whole.adapter && whole.directory && whole.timestamps);
    assert.ok(whole.buffer > 1e6);
    assert.equal(whole.device, 'made');
    assert.deepEqual([whole.write, whole.put], [8, undefined]);
    assert.equal(await whole.page.evaluate(() => window.ran), undefined, 'a wrong hash keeps a script out');
  });

  it('has no GPU, no adapter, no device', async () => {
    assert.equal((await seen({ gpu: 'absent' })).gpu, false);
    const { gpu, adapter } = await seen({ gpu: 'no-adapter' });
    assert.deepEqual([gpu, adapter], [true, false]);
    assert.equal((await seen({ gpu: 'no-device' })).device, 'OperationError');
  });

  it('has fewer features and lower limits', async () => {
    const { features, timestamps, buffer, page } = await seen({
      withoutFeatures: ['timestamp-query'],
      limits: { maxBufferSize: 1000 },
    });
    assert.deepEqual([features.includes('timestamp-query'), timestamps, buffer], [false, false, 1000]);
    assert.ok(features.length > 0);
    assert.ok(await page.evaluate(() => window.ran), 'the changed page runs although its hashes are gone');
  });

  it('stores nothing', async () => {
    const absent = await seen({ storage: 'absent' });
    assert.deepEqual([absent.directory, absent.write, absent.put], [false, 'TypeError', 'TypeError']);
    const full = await seen({ storage: 'full' });
    assert.deepEqual([full.write, full.put], ['QuotaExceededError', 'QuotaExceededError']);
  });

  it('loses its device when told and at a submit', async () => {
    const lost = (page) => page.waitForFunction(() => said.some((word) => word.lost === 'destroyed'));
    const told = await seen({});
    await tellEngine(told.page, 'destroy');
    await lost(told.page);

    const { page } = await seen({ destroyAtSubmit: 2 });
    await page.evaluate(() => worker.postMessage('submit'));
    await new Promise((done) => setTimeout(done, 300));
    assert.equal(await page.evaluate(() => said.filter((word) => word.lost).length), 0, 'the first goes through');
    await page.evaluate(() => worker.postMessage('submit'));
    await lost(page);
  });

  it('traps when told', async () => {
    const { page, clock } = await seen({});
    assert.equal(clock, true);
    await tellEngine(page, 'trap');
    await new Promise((done) => setTimeout(done, 300));
    assert.equal((await page.evaluate(() => look('look'))).clock, 'RuntimeError');
  });
});
