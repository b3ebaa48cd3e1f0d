// Every checkpoint that cannot be loaded gets a sentence that names what is at fault, and the page goes on.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { screenshot, until } from './browser.mjs';
import { png } from './pictures.mjs';
import { serve } from './server.mjs';
import { PIPELINE, published } from './site.mjs';
import { NETWORK, assertSays, suite } from './suite.mjs';

/** What is tested here is the same on every backend, and this one starts at once. */
const CPU = { backend: 'cpu' };

const MODEL = /model\.safetensors$/;
const CONFIG = /checkpoint\/config\.json$/;
const LFS = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 3052400\n';

/** Changes a field of a JSON file. */
const json = (change) => (bytes) => {
  const value = JSON.parse(bytes);
  change(value);
  return JSON.stringify(value);
};

/** What is wrong with the weights, and what the visitor must read. */
const WEIGHTS = [
  ['there are no weights', { status: 404 }, [/not found/, /404/]],
  ['the server is broken', { status: 503 }, [/503/, /try again/]],
  ['weights are a web page', { html: true }, [/web page/]],
  ['the host wants a login', { redirect: '/login' }, [/web page/, /login/]],
  ['the connection breaks for good', { cutAt: 1_000_000 }, [/broke \d times/, /1000000 bytes|bytes/, /load again/]],
  ['weights are cut off', { truncate: 1_000_000 }, [/truncated|1000000 bytes/]],
  ['weights end in the header', { truncate: 100 }, [/header|truncated/]],
  ['weights are empty', { truncate: 0 }, [/empty|truncated|0 bytes/]],
  [
    'weights are something else',
    { replace: () => Buffer.alloc(50_000, 'not weights ') },
    [/not a valid safetensors file/],
  ],
  ['weights are a git-lfs pointer', { replace: () => LFS }, [/git-lfs pointer/, /git lfs pull/]],
  ['a tensor is missing', { replace: renamed }, [/tensor/, /noise_predictor/]],
];

/** The same for the configuration. */
const CONFIGS = [
  ['the configuration is missing', { status: 404 }, [/not found/]],
  ['the configuration is a web page', { html: true }, [/web page/]],
  ['the policy is of another kind', { replace: json((config) => (config.type = 'act')) }, [/`act`/, /multi_task_dit/]],
  ['the configuration is no JSON', { replace: () => '{"type": ' }, []],
  ['a field is wrong', { replace: json((config) => (config.horizon = 'many')) }, [/horizon/]],
];

const HOSTS = [
  ...WEIGHTS.map(([words, fault, says]) => [words, MODEL, fault, [/model\.safetensors/, ...says]]),
  ...CONFIGS.map(([words, fault, says]) => [words, CONFIG, fault, [/config\.json/, ...says]]),
  ['there is no checkpoint', null, null, [/config\.json/, /not found/], '/golden/nothing/'],
  ['statistics are missing', null, null, [/statistic/], '/golden/ddpm_sample_no_camera/checkpoint/'],
];

suite('faults of a host', CPU, ({ claim }) => {
  for (const [words, file, fault, says, path = PIPELINE.path] of HOSTS) {
    claim(`${words}: ${says.join(' and ')}`, { loud: [NETWORK] }, async ({ server, open }) => {
      if (fault) server.fault(file, fault);
      const page = await open({ checkpoint: path });
      assertSays(await page.failed(), ...says);
      assert.equal(await page.canRun(), false, 'nothing to run');
      // The page is not stuck: the next checkpoint loads.
      server.clear();
      await page.loadListed('toy');
      await page.loaded();
      assert.equal(await page.alertWords(), '', 'the old sentence is gone');
    });
  }

  claim('a byte is wrong: the hash does not fit', async ({ server, open }) => {
    const { path } = await published('toy');
    server.fault(MODEL, { replace: (bytes) => Buffer.from(bytes).fill(bytes.at(-9) ^ 1, bytes.length - 9, bytes.length - 8) });
    const page = await open({ checkpoint: path });
    assertSays(await page.failed(), /model\.safetensors/, /damaged/, /SHA-256/);
    await screenshot(page.tab, 'error-hash');
    // And it is not kept: the right file loads afterwards.
    server.clear();
    await page.loadListed('toy');
    await page.loaded();
  });

  claim('weights are longer than the manifest says', async ({ server, open }) => {
    const { path } = await published('toy');
    server.fault(MODEL, { replace: (bytes) => Buffer.concat([bytes, Buffer.alloc(1000)]) });
    const page = await open({ checkpoint: path });
    assertSays(await page.failed(), /model\.safetensors/);
  });

  claim('another host does not let pages read', { loud: [NETWORK] }, async ({ server, open }) => {
    const other = await serve({ '/': PIPELINE.folder });
    try {
      other.fault(/./, { cors: false });
      const page = await open({ checkpoint: `${other.origin}/` });
      assertSays(await page.failed(), new RegExp(other.origin), /does not allow other sites/, /CORS/);
      other.clear();
      await page.loadAddress(`${other.origin}/`);
      await page.loaded();
      assert.ok(server.requests(MODEL).length === 0, 'the weights came from the other host');
    } finally {
      await other.close();
    }
  });

  claim('the address is none', { loud: [NETWORK] }, async ({ open }) => {
    const page = await open();
    for (const [address, ...says] of [
      ['no such folder', /not found/, /config\.json/],
      ['ftp://127.0.0.1/x', /no web address/, /https:/],
      ['javascript:alert(1)', /no web address/],
      ['http://', /address/],
    ]) {
      await page.loadAddress(address);
      assertSays(await until(async () => !(await page.isLoading()) && page.alertWords(), address), ...says);
    }
  });
});

suite('faults of files', CPU, ({ claim }) => {
  /** Files of one folder. */
  async function dropped(page, files) {
    const folder = await mkdtemp(join(tmpdir(), 'mtdit-files-'));
    try {
      for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
      await page.dropCheckpoint([folder]);
      return await page.failed();
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  claim('a folder without a configuration', async ({ open }) => {
    assertSays(await dropped(await open(), { 'model.safetensors': 'x' }), /config\.json/);
  });
  claim('a folder without weights', async ({ open }) => {
    const page = await open();
    assertSays(await dropped(page, { 'config.json': '{"type": "multi_task_dit"}' }), /model\.safetensors|config\.json/);
  });
  claim('a folder of something else', async ({ open }) => {
    assertSays(await dropped(await open(), { 'holiday.png': png(64, 48), 'notes.txt': 'hello' }), /config\.json/);
  });
  claim('an empty folder', async ({ open }) => {
    assertSays(await dropped(await open(), {}), /empty|config\.json|no files/i);
  });
});

/** A model file whose first tensor of the denoiser has another name. */
function renamed(bytes) {
  const length = Number(bytes.readBigUInt64LE(0));
  const header = bytes
    .subarray(8, 8 + length)
    .toString()
    .replace('"noise_predictor.', '"noise_predictoR.');
  return Buffer.concat([bytes.subarray(0, 8), Buffer.from(header), bytes.subarray(8 + length)]);
}
