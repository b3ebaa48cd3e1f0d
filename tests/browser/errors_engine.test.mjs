// An engine that cannot start, or stops, gets a sentence, and the visitor a way on.
import assert from 'node:assert/strict';
import { screenshot, until } from './browser.mjs';
import { ENGINE_SCRIPT, breakEngine, tellEngine } from './engine_faults.mjs';
import { published } from './site.mjs';
import { assertSays, suite } from './suite.mjs';

/** What a broken engine logs is for developers; here the sentences on the page count. */
const LOUD = { loud: [/./] };

/** Starts a run that takes long, and waits until its first step is shown. */
async function runLong(page) {
  await page.loaded();
  await page.useSample();
  await page.setNumber('samples', 16);
  await page.setNumber('steps', 100);
  await page.run();
  await page.stepShown();
}

/** Restarts the engine, loads the checkpoint again and runs it. */
async function restartAndRun(page) {
  await page.restart();
  await page.loadedAgain();
  await page.useSample();
  await page.setNumber('samples', 1);
  await page.setNumber('steps', 2);
  await page.run();
  await page.finished();
  assert.equal(await page.alertWords(), '', 'the old sentence is gone');
}

suite('faults of the engine', ({ claim }) => {
  const toy = async (more = {}) => ({ checkpoint: (await published('toy')).path, ...more });

  for (const [words, breakage, says] of [
    ['there is no WebGPU', { gpu: 'absent' }, [/this browser has no WebGPU/]],
    ['there is no adapter', { gpu: 'no-adapter' }, [/found no graphics device/]],
    ['the adapter gives no device', { gpu: 'no-device' }, [/graphics device cannot be opened/]],
    ['the adapter is too small', { limits: { maxBufferSize: 1 << 20 } }, [/maxBufferSize is 1048576/, /needed/]],
    ['the adapter lacks a feature', { withoutFeatures: ['timestamp-query'] }, [/lacks the feature timestamp-query/]],
  ]) {
    claim(`${words}: the processor computes, with a notice`, LOUD, async ({ server, open }) => {
      breakEngine(server, breakage);
      const page = await open(await toy());
      await page.loaded();
      assertSays(await page.device(), /CPU/);
      assertSays(await page.notices(), ...says);
      await page.useSample();
      await page.run();
      await page.finished();
    });
    claim(`${words}, and the link asks for WebGPU: a sentence`, LOUD, async ({ server, open }) => {
      breakEngine(server, breakage);
      const page = await open(await toy({ backend: 'webgpu' }));
      assertSays(await page.failed(), /WebGPU was asked for/, ...says);
    });
  }

  claim('the device is lost during a load: a sentence, and Restart leads to a run', LOUD, async ({ server, open }) => {
    breakEngine(server, { destroyAtSubmit: 1 });
    const page = await open(await toy({ backend: 'webgpu' }));
    assertSays(await page.failed(), /graphics device/, /restart/i);
    server.clear();
    await restartAndRun(page);
  });

  claim('the device is lost during a run: a sentence, and Restart leads to a run', LOUD, async ({ server, open }) => {
    breakEngine(server, {});
    const page = await open(await toy({ backend: 'webgpu' }));
    await runLong(page);
    await tellEngine(page.tab, 'destroy');
    assertSays(await page.failed(), /graphics device/, /restart/i);
    await screenshot(page.tab, 'error-device-lost');
    server.clear();
    await restartAndRun(page);
  });

  claim('the device is lost while nothing happens: it is said, and Restart helps', LOUD, async ({ server, open }) => {
    breakEngine(server, {});
    const page = await open(await toy({ backend: 'webgpu' }));
    await page.loaded();
    await tellEngine(page.tab, 'destroy');
    assertSays(await page.failed(), /graphics device/);
    server.clear();
    await page.restart();
    await page.loadedAgain();
  });

  claim(
    "the browser's graphics process crashes during a run: a sentence, and Restart leads to a run",
    LOUD,
    async ({ browser, open }) => {
      const page = await open(await toy({ backend: 'webgpu' }));
      await runLong(page);
      await browser.crashGpu();
      assertSays(await page.failed(), /graphics device/, /restart/i);
      // The browser starts the process anew, which takes a moment.
      await page.tab.waitForTimeout(2000);
      await restartAndRun(page);
    },
  );

  claim('WebAssembly fails during a run: a sentence, and Restart leads to a run', LOUD, async ({ server, open }) => {
    breakEngine(server, {});
    const page = await open(await toy({ backend: 'cpu' }));
    await page.loaded();
    await page.useSample();
    await tellEngine(page.tab, 'trap');
    await new Promise((done) => setTimeout(done, 300));
    await page.run();
    assertSays(await page.failed(), /engine/i, /restart/i);
    server.clear();
    await restartAndRun(page);
  });

  claim("the engine's script is not there: a sentence", LOUD, async ({ server, open }) => {
    server.fault(ENGINE_SCRIPT, { status: 404 });
    const page = await open(await toy());
    assertSays(await page.failed(), /engine/i, /reload|restart|try again|load/i);
  });

  claim("the engine's program is not there: a sentence", LOUD, async ({ server, open }) => {
    server.fault(/\/engine\.js$/, { status: 404 });
    const page = await open(await toy());
    assertSays(await page.failed(), /engine could not be loaded/i);
  });

  claim("the page's own program is not there: a sentence", LOUD, async ({ server, open }) => {
    server.fault(/\/page[^/]*\.wasm$/, { status: 404 });
    const page = await open();
    await until(async () => /could not be started/.test(await page.tab.locator('#boot').innerText()), 'a sentence');
  });

  claim(
    "the engine's WebAssembly is not there: a sentence, and Restart works when it is back",
    LOUD,
    async ({ server, open }) => {
      server.fault(/engine[^/]*\.wasm$/, { status: 404 });
      const page = await open(await toy());
      assertSays(await page.failed(), /engine/i);
      server.clear();
      await page.restart();
      await page.loadedAgain();
    },
  );

  claim("the engine's WebAssembly is a web page: a sentence", LOUD, async ({ server, open }) => {
    server.fault(/engine[^/]*\.wasm$/, { html: true });
    const page = await open(await toy());
    assertSays(await page.failed(), /engine/i);
  });

  claim(
    'a backend that computes wrong is seen to fail the test with a known answer',
    LOUD,
    async ({ server, open }) => {
      const wrong = (bytes) => {
        const manifest = JSON.parse(bytes);
        manifest.expected.actions[0][0] += 0.5;
        return JSON.stringify(manifest);
      };
      server.fault(/manifest\.json$/, { replace: wrong });
      const page = await open(await toy({ backend: 'cpu' }));
      await page.loaded();
      assert.equal(await page.selfTestPassed(), false);
      assertSays(await page.selfTest(), /FAILED/, /off by/);
      await screenshot(page.tab, 'self-test-failed');
    },
  );
});
