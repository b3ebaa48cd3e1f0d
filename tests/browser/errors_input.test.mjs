// Pictures and numbers that are none get a sentence at their place, and nothing runs with them.
import assert from 'node:assert/strict';
import { until } from './browser.mjs';
import { bomb, png } from './pictures.mjs';
import { published } from './site.mjs';
import { assertSays, suite } from './suite.mjs';

/** What is tested here is the same on every backend, and this one starts at once. */
const CPU = { backend: 'cpu' };

suite('faults of inputs', CPU, ({ claim }) => {
  const image = (name, buffer) => ({ name, mimeType: 'image/png', buffer });
  const CASES = [
    [image('notes.png', Buffer.from('hello, this is no picture')), [/notes\.png/, /not a picture/]],
    [image('empty.png', Buffer.alloc(0)), [/empty\.png/, /not a picture/]],
    [
      image('broken.png', Buffer.concat([png(64, 48).subarray(0, 60), Buffer.alloc(400, 7)])),
      [/broken\.png/, /decoded/],
    ],
    [image('bomb.png', bomb(30_000, 30_000)), [/bomb\.png/, /30000 x 30000/, /the most/]],
  ];

  claim('files that are no pictures, and one that says it is enormous', async ({ open }) => {
    const page = await open({ checkpoint: (await published('toy')).path });
    await page.loaded();
    await page.useSample();
    for (const [file, says] of CASES) {
      await page.setFrame(0, 0, file);
      const named = async () => {
        const words = await page.inputFault();
        return words.includes(file.name) && words;
      };
      assertSays(await until(named, `a sentence about ${file.name}`), ...says);
      assert.equal(await page.canRun(), false, `nothing runs with ${file.name}`);
    }
    await page.setFrame(0, 0, { name: 'good.png', mimeType: 'image/png', buffer: png(64, 48) });
    await until(async () => (await page.inputFault()) === '', 'the sentence goes away');
    await page.run();
    await page.finished();
  });

  claim('numbers that are none', async ({ open }) => {
    const page = await open({ checkpoint: (await published('toy')).path });
    await page.loaded();
    await page.useSample();
    for (const wrong of ['', 'half', '1e999']) {
      await page.setState(0, 0, wrong);
      assert.equal(await page.canRun(), false, `a state of "${wrong}" is not run`);
      assertSays(await page.inputFault(), /State a/, /not a number/);
    }
    await page.setState(0, 0, '0.5');
    for (const [name, wrong] of [
      ['steps', '0'],
      ['steps', '1000000'],
      ['seed', '-1'],
      ['samples', '2.5'],
    ]) {
      const right = await page.number(name);
      await page.setNumber(name, wrong);
      assert.equal(await page.canRun(), false, `${wrong} ${name} are not run`);
      assertSays(await page.inputFault(), new RegExp(name === 'samples' ? 'chunks' : name), /whole number/);
      await page.setNumber(name, right);
    }
    await page.setNumber('steps', 3);
    await page.run();
    await page.finished();
  });
});
