// The page is pleasant: it answers at once, does not jump, works with the keyboard and on a phone, and keeps to itself.
import assert from 'node:assert/strict';
import { SCREEN, screenshot, until } from './browser.mjs';
import { faint, focused, nameless, shades } from './looks.mjs';
import { published } from './site.mjs';
import { assertSays, suite } from './suite.mjs';

/** Longest task that the main thread may have, in milliseconds. */
const LONGEST = 50;
/** Cumulative layout shift; below 0.1 counts as good. */
const SHIFT = 0.05;
/** A task may be long because the machine was busy elsewhere, so the best of some attempts counts. */
const ATTEMPTS = 3;

const toy = async (more = {}) => ({ checkpoint: (await published('toy')).path, ...more });

/** Notes long tasks and layout shifts from the first moment of every document. */
async function observe(visitor) {
  await visitor.context.addInitScript(() => {
    window.longTasks = [];
    window.layoutShifts = [];
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) window.longTasks.push([startTime, duration]);
    }).observe({ type: 'longtask', buffered: true });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        if (entry.hadRecentInput) continue;
        const nodes = entry.sources.map(({ node }) => node?.id || node?.className || node?.nodeName);
        window.layoutShifts.push([entry.value, nodes.join(' ')]);
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
}

suite('manners', ({ claim }) => {
  for (const backend of ['cpu', 'webgpu']) {
    claim(
      `the main thread is never busy for ${LONGEST} ms while loading and sampling on ${backend}`,
      async ({ visitor, open }) => {
        await observe(visitor);
        let longest = Infinity;
        for (let attempt = 1; attempt <= ATTEMPTS && longest >= LONGEST; attempt += 1) {
          const page = await open(await toy({ backend }));
          const hydrated = await page.hydrated();
          await page.loaded();
          await page.useSample();
          await page.setNumber('samples', 3);
          await page.run();
          await page.finished();
          const tasks = await page.tab.evaluate((from) => window.longTasks.filter(([start]) => start > from), hydrated);
          longest = Math.max(0, ...tasks.map(([, duration]) => duration));
          console.log(
            `  ${backend}, attempt ${attempt}: the longest task after hydration took ${longest} ms (0: none above 50)`,
          );
          await page.close();
        }
        assert.ok(longest < LONGEST, `a task of ${longest} ms`);
      },
    );
  }

  for (const screen of Object.keys(SCREEN)) {
    claim(`nothing jumps while loading and sampling on a ${screen}`, { screen }, async ({ visitor, open }) => {
      await observe(visitor);
      const page = await open(await toy({ backend: 'cpu' }));
      await page.loaded();
      await page.useSample();
      await page.run();
      await page.finished();
      const shifts = await page.tab.evaluate(() => window.layoutShifts);
      const total = shifts.reduce((sum, [value]) => sum + value, 0);
      console.log(`  ${screen}: layout shift ${total.toFixed(4)}`);
      assert.ok(
        total < SHIFT,
        `layout shift ${total}: ${shifts.map(([value, what]) => `${value.toFixed(3)} ${what}`).join('; ')}`,
      );
    });
  }

  claim('the page is painted before the engine has arrived', async ({ server, open }) => {
    let release;
    server.fault(/engine[^/]*\.(js|wasm)$/, { hold: new Promise((resolve) => (release = resolve)) });
    const page = await open();
    try {
      await page.hydrated();
      const paints = await page.tab.evaluate(() => performance.getEntriesByType('paint').map(({ name }) => name));
      assert.ok(paints.includes('first-contentful-paint'), `painted: ${paints}`);
      assert.equal(server.sent(/engine[^/]*\.wasm$/), 0, 'the engine is still held');
      assertSays(await page.tab.locator('body').innerText(), /toy/, /checkpoint/i);
      await screenshot(page.tab, 'before-the-engine');
    } finally {
      release();
    }
    await page.loadListed('toy');
    await page.loaded();
  });

  claim('without scripts the page says what it needs', async ({ server, browser }) => {
    const context = await browser.browser.newContext({ javaScriptEnabled: false });
    const tab = await context.newPage();
    await tab.goto(`${server.origin}/`);
    assertSays(await tab.locator('body').innerText(), /JavaScript/i);
    await context.close();
  });

  claim('the keyboard is enough', async ({ open }) => {
    const page = await open(await toy({ backend: 'cpu' }));
    await page.loaded();
    await tabTo(page, /sample/i);
    await page.tab.keyboard.press('Enter');
    await until(() => page.canRun(), 'the sample observation is in');
    await tabTo(page, /^run$/i);
    await page.tab.keyboard.press('Enter');
    await page.finished();
    await tabTo(page, /evaluations/i, 'range');
    const before = (await page.slider()).value;
    await page.tab.keyboard.press('ArrowLeft');
    assert.notEqual((await page.slider()).value, before, 'the arrow keys move the slider');
  });

  claim('everything that can be used has a name', async ({ open }) => {
    const page = await open(await toy({ backend: 'cpu' }));
    await page.loaded();
    await page.useSample();
    await page.run();
    await page.finished();
    assert.deepEqual(await nameless(page.tab), [], 'without an accessible name');
    assert.ok(await page.tab.evaluate(() => document.documentElement.lang), 'the page says its language');
    assert.ok(await page.tab.title(), 'and has a title');
    assert.equal(await page.tab.getByRole('heading', { level: 1 }).count(), 1, 'one first heading');
    assert.ok((await page.tab.getByRole('main').count()) === 1, 'one main part');
  });

  for (const screen of Object.keys(SCREEN)) {
    for (const dark of [false, true]) {
      claim(`it is readable on a ${screen}, ${dark ? 'dark' : 'light'}`, { screen, dark }, async ({ open }) => {
        const shade = dark ? 'dark' : 'light';
        const page = await open({ backend: 'cpu' });
        await page.hydrated();
        await fits(page, `${screen}, empty`);
        await screenshot(page.tab, `${screen}-${shade}-1-empty`);
        await page.loadListed('toy');
        await page.loaded();
        await fits(page, `${screen}, loaded`);
        await screenshot(page.tab, `${screen}-${shade}-2-loaded`);
        await page.useSample();
        await page.setNumber('samples', 3);
        await page.run();
        await page.finished();
        await fits(page, `${screen}, result`);
        await screenshot(page.tab, `${screen}-${shade}-3-result`);
        assert.deepEqual(await faint(page.tab), [], 'words that can hardly be told from what is behind them');
        const [background, text] = await shades(page.tab);
        assert.ok(dark ? background < text : background > text, `${shade}: background ${background}, words ${text}`);
      });
    }
  }

  claim('nothing moves for visitors who asked for that', async ({ visitor, open }) => {
    const page = await open(await toy({ backend: 'cpu' }));
    await page.tab.emulateMedia({ reducedMotion: 'reduce' });
    await page.loaded();
    const moving = await page.tab.evaluate(
      () => document.getAnimations().filter(({ playState }) => playState === 'running').length,
    );
    assert.equal(moving, 0);
    visitor.assertStayedHome();
  });
});

/** Presses Tab until something of that name has the focus. */
async function tabTo(page, name, type) {
  const seen = [];
  for (let presses = 0; presses < 120; presses += 1) {
    await page.tab.keyboard.press('Tab');
    const focus = await focused(page.tab);
    seen.push(focus.name);
    if (name.test(focus.name) && (!type || focus.type === type)) {
      assert.ok(focus.visible, `the focus on "${focus.name}" can be seen`);
      return;
    }
  }
  assert.fail(`Tab never comes to ${name}; it came to ${[...new Set(seen)].join(', ')}`);
}

async function fits(page, what) {
  const [wide, screen] = await page.tab.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(wide <= screen, `${what}: ${wide} pixels wide on a screen of ${screen}`);
}
