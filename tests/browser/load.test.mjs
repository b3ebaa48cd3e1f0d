// A checkpoint gets into the tab: from an address, the site's list, the disk, the cache; stopped, cut, resumed.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LIMIT, limitStorage, screenshot, until } from './browser.mjs';
import { breakEngine } from './engine_faults.mjs';
import { PIPELINE, checkpoint, listed, published } from './site.mjs';
import { NETWORK, assertSays, suite } from './suite.mjs';

/** What is tested here is the same on every backend, and this one starts at once. */
const CPU = { backend: 'cpu' };

const WEIGHTS = /\.safetensors(\.\d+)?$/;
const MODEL = /model\.safetensors(\.\d+)?$/;
const size = (folder) => statSync(join(folder, 'model.safetensors')).size;

suite('loading', CPU, ({ claim }) => {
  claim(
    'a link with a checkpoint loads it, shows what it is, and proves that it computes right',
    { loud: [NETWORK] },
    async ({ server, open }) => {
      const page = await open({ checkpoint: PIPELINE.path, backend: 'auto' });
      await page.loaded();
      assertSays(await page.card(), /diffusion/, /front/, /wrist/, /0\.8 million/, /engine memory\s+\d+(\.\d+)? MB/i);
      await page.assertSelfTest();
      assert.ok(
        server.requests(MODEL).some(({ range }) => range),
        'weights are asked for in ranges',
      );
      const sent = server.sent(MODEL);
      assert.ok(sent <= size(PIPELINE.folder) * 1.1, `${sent} bytes were sent of ${size(PIPELINE.folder)}`);
      await screenshot(page.tab, 'loaded-from-an-address');
    },
  );

  claim('an address that is typed loads too', { loud: [NETWORK] }, async ({ server, open }) => {
    const page = await open();
    await page.loadAddress(`${server.origin}${PIPELINE.path}`);
    await page.loaded();
    assertSays(await page.card(), /wrist/);
  });

  claim('one click on the list loads a checkpoint', async ({ open }) => {
    const entries = await listed();
    assert.ok(entries.length >= 2, 'the site lists two checkpoints');
    const page = await open();
    for (const { name } of entries) {
      await page.loadListed(name);
      await page.loaded();
      assertSays(await page.card(), new RegExp(name));
    }
    assertSays(await page.card(), /flow matching/i);
  });

  claim('a folder that is dropped loads, and nothing is sent anywhere', async ({ server, open }) => {
    const page = await open();
    await page.dropCheckpoint([checkpoint('toy')]);
    await page.loaded();
    assertSays(await page.card(), /top/, /wrist/);
    assert.deepEqual(server.requests(WEIGHTS), [], 'the weights stay on this machine');
    assert.ok(
      server.log.every(({ method }) => method === 'GET' || method === 'HEAD'),
      'nothing is uploaded',
    );
  });

  claim('a folder that holds the checkpoint among other things is dropped', async ({ open }) => {
    const page = await open();
    // The golden case keeps its inputs beside the checkpoint.
    await page.dropCheckpoint([join(PIPELINE.folder, '..')]);
    await page.loaded();
    assertSays(await page.card(), /front/, /wrist/);
  });

  claim('a folder that is picked loads', async ({ server, open }) => {
    const page = await open();
    await page.pickFolder(PIPELINE.folder);
    await page.loaded();
    assertSays(await page.card(), /front/, /wrist/);
    assert.deepEqual(server.requests(WEIGHTS), []);
  });

  claim('files that are picked load when the towers are known by name', async ({ open }) => {
    const page = await open();
    const folder = checkpoint('small');
    const files = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile());
    await page.pickFiles(files.map(({ name }) => join(folder, name)));
    await page.loaded();
    assertSays(await page.card(), /top/, /wrist/);
  });

  claim('a checkpoint in pieces and half precision loads', async ({ server, open }) => {
    const page = await open({}, '/pieces/');
    await page.loadListed('toy');
    await page.loaded();
    const pieces = new Set(server.requests(MODEL).map(({ path }) => path));
    assert.ok(pieces.size >= 3, `pieces: ${[...pieces]}`);
    assert.ok(server.sent(MODEL) < 0.7 * size(checkpoint('toy')), 'half the bytes');
    await page.assertSelfTest();
  });

  claim('bytes and words tell how far it is', { loud: [NETWORK] }, async ({ server, open }) => {
    server.fault(MODEL, { bytesPerSecond: 700_000 });
    const page = await open({ checkpoint: PIPELINE.path });
    const told = await page.watchProgress();
    await page.loaded();
    const words = await told();
    const bytes = words.map((text) => /([\d.]+) (B|kB|MB) of [\d.]+ MB/.exec(text)).filter(Boolean);
    const megabytes = bytes.map(([, number, unit]) => Number(number) * { B: 1e-6, kB: 1e-3, MB: 1 }[unit]);
    assert.ok(new Set(megabytes).size >= 3, `bytes go up: ${words.join(' | ')}`);
    assert.deepEqual(
      megabytes,
      megabytes.toSorted((a, b) => a - b),
      'and never down',
    );
    assert.ok(
      words.some((text) => /warm/i.test(text)),
      `the warm-up is named: ${words.join(' | ')}`,
    );
    assert.ok(
      words.some((text) => /engine memory [\d.]+ MB/.test(text)),
      `the heap is shown: ${words.join(' | ')}`,
    );
  });

  claim('a load is stopped in the middle, and another one begins', { loud: [NETWORK] }, async ({ server, open }) => {
    server.fault(MODEL, { bytesPerSecond: 300_000 });
    const page = await open({ checkpoint: PIPELINE.path });
    await until(() => server.sent(MODEL) > 500_000, 'a part of the weights', LIMIT.loaded);
    await page.cancelLoad();
    await until(async () => (await page.isLoading()) === false, 'the load has stopped');
    const sent = server.sent(MODEL);
    await new Promise((done) => setTimeout(done, 1000));
    assert.ok(server.sent(MODEL) - sent < 100_000, 'nothing more is fetched');
    assert.equal(await page.alertWords(), '', 'that is no fault');
    server.clear();
    await page.loadListed('toy');
    await page.loaded();
  });

  claim('a load that was stopped goes on where it was', { loud: [NETWORK] }, async ({ server, open }) => {
    server.fault(MODEL, { bytesPerSecond: 600_000 });
    const page = await open({ checkpoint: PIPELINE.path });
    await until(() => server.sent(MODEL) > 2_000_000, 'most of the weights', LIMIT.loaded);
    await page.cancelLoad();
    await until(async () => (await page.isLoading()) === false, 'the load has stopped');
    server.clear();
    await page.loadAddress(`${server.origin}${PIPELINE.path}`);
    await page.loaded();
    const sent = server.sent(MODEL);
    assert.ok(sent < 0.7 * size(PIPELINE.folder), `${sent} bytes were fetched again`);
  });

  claim('a connection that breaks is taken up where it broke', { loud: [NETWORK] }, async ({ server, open }) => {
    server.fault(MODEL, { cutAt: 2_000_000, times: 1 });
    const page = await open({ checkpoint: PIPELINE.path });
    await page.loaded();
    const asked = server.requests(MODEL);
    const first = ({ range }) => Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
    const cut = asked.findIndex((entry) => entry.cut);
    assert.ok(cut >= 0 && cut < asked.length - 1, 'the connection was cut, and asked for again');
    const [broken, ...after] = asked.slice(cut).map(first);
    assert.ok(Math.min(...after) > broken, `asked again from within: ${broken}, then ${after}`);
    const sent = server.sent(MODEL);
    assert.ok(sent < 1.4 * size(PIPELINE.folder), `${sent} bytes for a file of ${size(PIPELINE.folder)}`);
    await page.assertSelfTest();
  });

  claim(
    'a file that changed while the connection was broken is not mixed with the old one',
    { loud: [NETWORK] },
    async ({ server, open }) => {
      // Other bytes of the same length follow the cut: the signs of the last weights are turned.
      server.fault(MODEL, { replace: flipped });
      server.fault(MODEL, { cutAt: 2_000_000, times: 1 });
      const page = await open({ checkpoint: PIPELINE.path });
      assertSays(await page.failed(), /model\.safetensors/, /changed/);
      assert.ok(
        server.log.some(({ cut }) => cut),
        'the connection was cut',
      );
      // And once more, from the beginning.
      await page.loadAddress(`${server.origin}${PIPELINE.path}`);
      await page.loaded();
      await page.assertSelfTest();
    },
  );

  claim('a server without ranges serves a checkpoint', { loud: [NETWORK] }, async ({ server, open }) => {
    server.fault(WEIGHTS, { ranges: false });
    const page = await open({ checkpoint: PIPELINE.path });
    await page.loaded();
    const sent = server.sent(MODEL);
    assert.ok(sent < 1.5 * size(PIPELINE.folder), `${sent} bytes for a file of ${size(PIPELINE.folder)}`);
    await page.assertSelfTest();
  });

  claim(
    'a server that compresses and says no length serves a checkpoint',
    { loud: [NETWORK] },
    async ({ server, open }) => {
      server.fault(WEIGHTS, { gzip: true });
      const page = await open({ checkpoint: PIPELINE.path });
      await page.loaded();
      await page.assertSelfTest();
    },
  );

  claim(
    'the second visit reads the cache; the list of what is cached has sizes and deletes',
    async ({ server, visitor, open }) => {
      const { path } = await published('toy');
      const first = await open({ checkpoint: path });
      await first.loaded();
      assert.ok(server.sent(MODEL) > 0);
      await first.close();

      server.clear();
      const second = await open({ checkpoint: path });
      await second.loaded();
      assert.equal(server.sent(MODEL), 0, 'the weights come from the cache');
      assertSays(await second.card(), /cache/i);
      await second.assertSelfTest();
      const entries = await second.cached();
      assert.equal(entries.length, 1);
      assertSays(entries[0], /toy/, /3\.\d+ ?MB/);
      await screenshot(second.tab, 'cached');

      await second.forget(0);
      await until(async () => (await second.cached()).length === 0, 'the list is empty');
      await second.close();
      server.clear();
      const third = await open({ checkpoint: path });
      await third.loaded();
      assert.ok(server.sent(MODEL) > 0, 'what was deleted is fetched again');
      assert.equal(visitor.context.pages().length, 1);
    },
  );

  claim('a browser without storage loads all the same and says so', async ({ server, open }) => {
    breakEngine(server, { storage: 'absent' });
    const page = await open({ checkpoint: (await published('toy')).path });
    await page.loaded();
    assertSays(await page.notices(), /cache/i);
  });

  claim('a disk that is full loads all the same and says so', async ({ server, open }) => {
    breakEngine(server, { storage: 'full' });
    const page = await open({ checkpoint: (await published('toy')).path });
    await page.loaded();
    assertSays(await page.notices(), /cache/i, /full|quota/i);
    await page.assertSelfTest();
  });

  claim("a browser's own limit of storage does not stop a load", async ({ server, open }) => {
    const page = await open();
    await limitStorage(page.tab, server.origin, 1_000_000);
    await page.loadListed('toy');
    await page.loaded();
    await page.assertSelfTest();
  });

  claim('two tabs load the same checkpoint at once', async ({ open }) => {
    const { path } = await published('toy');
    const tabs = await Promise.all([open({ checkpoint: path }), open({ checkpoint: path })]);
    for (const page of tabs) {
      await page.loaded();
      await page.assertSelfTest();
    }
  });
});

/** A model file with its last tenth of bytes turned: every float keeps its size and changes its sign. */
function flipped(bytes) {
  const turned = Buffer.from(bytes);
  for (let at = bytes.length - 1 - Math.floor(bytes.length / 40) * 4; at < bytes.length; at += 4) turned[at] ^= 0x80;
  return turned;
}
