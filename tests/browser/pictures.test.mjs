// Pictures come by every way a visitor may bring them, and are shown as the model sees them.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { paste, screenshot } from './browser.mjs';
import { jpeg, png, turned } from './pictures.mjs';
import { inFolder } from './run_cases.mjs';
import { published } from './site.mjs';
import { assertSays, suite } from './suite.mjs';

/** What is tested here is the same on every backend, and this one starts at once. */
const CPU = { backend: 'cpu' };

suite('pictures', CPU, ({ claim }) => {
  const toy = async (open) => {
    const page = await open({ checkpoint: (await published('toy')).path });
    await page.loaded();
    await page.useSample();
    await page.setNumber('steps', 2);
    return page;
  };
  /** Red, green and blue of a pixel. */
  const pixel = ({ width, rgba }, x, y) => rgba.slice(4 * (y * width + x), 4 * (y * width + x) + 3);
  const file = (name, buffer) => ({ name, mimeType: name.endsWith('.jpg') ? 'image/jpeg' : 'image/png', buffer });

  claim('a picture is chosen, pasted, dropped, taken with the webcam', async ({ open }) => {
    const page = await toy(open);
    const recorded = await page.seenAnew(0, 1, null);
    assert.deepEqual([recorded.width, recorded.height], [32, 32], 'cropped as the model crops');

    await page.setFrame(0, 1, file('chosen.png', png(64, 48, 7)));
    const chosen = await page.seenAnew(0, 1, recorded);
    await page.focusFrame(0, 1);
    await paste(page.tab, png(64, 48, 8));
    const pasted = await page.seenAnew(0, 1, chosen);
    const dropped = await inFolder(async (folder) => {
      await writeFile(join(folder, 'dropped.png'), png(64, 48, 9));
      await page.dropFrame(0, 1, join(folder, 'dropped.png'));
      return page.seenAnew(0, 1, pasted);
    });
    await page.takeWithWebcam(0, 1);
    await page.seenAnew(0, 1, dropped);
    await screenshot(page.tab, 'pictures');
    await page.run();
    await page.finished();
  });

  claim('the model sees the pixels of the file, cut out of the middle', async ({ open }) => {
    const page = await toy(open);
    const before = await page.seenAnew(0, 1, null);
    await page.setFrame(0, 1, file('exact.png', png(64, 48, 3)));
    const seen = await page.seenAnew(0, 1, before);
    // The formula of png() at the corner of the crop: column 16, row 8.
    assert.deepEqual(pixel(seen, 0, 0), [(16 * 5 + 120) % 256, (8 * 7 + 270) % 256, 0 * 200 + ((16 * 8 + 3) % 56)]);
    assert.equal(await page.frameNote(0, 1), 'As the model sees it: 32×32.', 'nothing was done to it');
  });

  claim('a photograph that was held sideways is turned, with a note', async ({ open }) => {
    const page = await toy(open);
    const before = await page.seenAnew(0, 1, null);
    // Red above and blue below; with a quarter turn to the right blue is on the left and red on the right.
    await page.setFrame(0, 1, file('photo.jpg', turned(await jpeg(page.tab, 480, 640), 6)));
    const seen = await page.seenAnew(0, 1, before);
    const [left, right] = [pixel(seen, 3, 16), pixel(seen, 28, 16)];
    assert.ok(left[2] > 200 && left[0] < 60, `blue on the left: ${left}`);
    assert.ok(right[0] > 200 && right[2] < 60, `red on the right: ${right}`);
    assertSays(await page.frameNote(0, 1), /upright/, /640 x 480/, /64 x 48/);
    await page.run();
    await page.finished();
  });

  claim('a picture of another size and shape is fitted, with a note', async ({ open }) => {
    const page = await toy(open);
    for (const [width, height] of [
      [37, 91],
      [1, 1],
      [1920, 1080],
      [3000, 20],
    ]) {
      const before = await page.seen(1, 1);
      await page.setFrame(1, 1, file(`${width}.png`, png(width, height, width)));
      await page.seenAnew(1, 1, before);
      assertSays(await page.frameNote(1, 1), new RegExp(`${width} x ${height}`), /64 x 48/);
    }
    await page.run();
    await page.finished();
    assert.ok((await page.json()).samples.flat(2).every(Number.isFinite));
  });
});
