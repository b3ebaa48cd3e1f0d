// The page as a visitor uses it. Every selector of the tests stands in this file; those of the tabletop in table.mjs.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { LIMIT, drop, until } from './browser.mjs';

/** What the page marks for tests. */
const at = (name) => `[data-test="${name}"]`;

/** Sentences about faults, wherever they stand. */
const FAULTS = [
  'engine-lost',
  'device-error',
  'load-error',
  'observation-error',
  'run-error',
  'table-error',
  'webcam-error',
];
/** Sentences that stop nothing. */
const NOTICES = ['device-notice', 'load-notice', 'observation-notice'];

export class Page {
  constructor(tab, server) {
    this.tab = tab;
    this.server = server;
  }

  /** Opens the page in a new tab: with parameters, or by a whole link. */
  static async open(visitor, server, parameters = {}, path = '/') {
    const tab = await visitor.tab();
    const query = typeof parameters === 'string' ? '' : new URLSearchParams(parameters).toString();
    const url = typeof parameters === 'string' ? parameters : `${server.origin}${path}${query && `?${query}`}`;
    await tab.goto(url);
    return new Page(tab, server);
  }

  find(name) {
    return this.tab.locator(at(name));
  }

  /** The words of everything of these names that is shown. */
  async words(...names) {
    const all = [];
    for (const name of names) {
      for (const element of await this.find(name).all()) all.push(await element.innerText().catch(() => ''));
    }
    return all
      .map((text) => text.replace(/\s*Dismiss\s*$/, '').trim())
      .filter(Boolean)
      .join('\n');
  }

  close() {
    return this.tab.close();
  }

  /** Waits until the page reacts, and says when that was, in milliseconds since the tab was opened. */
  async hydrated() {
    await this.find('checkpoint').waitFor({ timeout: LIMIT.loaded });
    await this.tab.waitForTimeout(200);
    return this.tab.evaluate(() => performance.now());
  }

  // The device

  /** What it computes on. */
  device() {
    return this.words('backend', 'adapter');
  }

  notices() {
    return this.words(...NOTICES);
  }

  /** Sentences about faults; empty when there are none. */
  alertWords() {
    return this.words(...FAULTS);
  }

  /** Waits for a sentence about a fault. */
  failed(limit = LIMIT.sampled) {
    return until(() => this.alertWords(), 'a sentence about the fault', limit);
  }

  async restart() {
    await this.find('restart').click();
    await this.find('engine-lost').waitFor({ state: 'detached' });
  }

  // The checkpoint

  /** Waits until a checkpoint is ready; a fault meanwhile is one of the test. */
  async loaded(limit = LIMIT.sampled) {
    assert.equal(await this.loadedOrFailed(limit), '', 'it loads');
  }

  /** Waits until a checkpoint is ready and returns nothing, or until it cannot be, and returns why. */
  async loadedOrFailed(limit = LIMIT.sampled) {
    return until(
      async () => {
        if (await this.isLoading()) return null;
        const words = await this.alertWords();
        if (words) return { words };
        return (await this.find('loaded').isVisible()) ? { words: '' } : null;
      },
      'a loaded checkpoint',
      limit,
    ).then(({ words }) => words);
  }

  /** After a restart: loads what was loaded before, if the page asks for that, and waits until it is ready. */
  async loadedAgain() {
    const again = this.find('reload-checkpoint');
    await again.waitFor();
    await again.click();
    await this.loaded();
  }

  isLoading() {
    return this.find('cancel-load').isVisible();
  }

  async loadListed(name) {
    await this.tab.getByRole('button', { name: `Load ${name}`, exact: true }).click();
    await this.begun();
  }

  /** Loads a listed checkpoint and runs its sample observation: one click. */
  async runListed(name) {
    await this.tab.getByRole('button', { name: `Run ${name}`, exact: true }).click();
  }

  async loadAddress(address) {
    await this.find('url').fill(address);
    await this.find('load').click();
    await this.begun();
  }

  async dropCheckpoint(paths) {
    await drop(this.tab, this.find('drop'), paths);
    await this.begun();
  }

  async pickFolder(path) {
    await this.find('folder').setInputFiles(path);
    await this.begun();
  }

  async pickFiles(paths) {
    await this.find('files').setInputFiles(paths);
    await this.begun();
  }

  /** A moment for a click to be heard, so that the state before it is not taken for the one after. */
  begun() {
    return this.tab.waitForTimeout(100);
  }

  async cancelLoad() {
    await this.find('cancel-load').click();
  }

  /** Notes every word about progress from now on; the function that is returned gives them. */
  async watchProgress() {
    await this.tab.evaluate((area) => {
      window.progressWords = [];
      const look = () => {
        const text = document.querySelector(area)?.innerText.replaceAll('\n', ' ').trim();
        if (text && text !== window.progressWords.at(-1)) window.progressWords.push(text);
      };
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    }, at('progress-area'));
    return () => this.tab.evaluate(() => window.progressWords);
  }

  /** What is said of the loaded checkpoint. */
  async card() {
    await this.tab.locator(`${at('loaded')} details`).evaluate((details) => (details.open = true));
    return this.words('loaded');
  }

  /** The words of the test with a known answer. */
  async selfTest() {
    await this.find('self-test').waitFor();
    return this.words('self-test');
  }

  async selfTestPassed() {
    await this.find('self-test').waitFor();
    return (await this.find('self-test').getAttribute('data-passed')) === 'true';
  }

  async assertSelfTest() {
    assert.ok(await this.selfTestPassed(), await this.selfTest());
  }

  /** The lines of the list of what is cached. */
  async cached() {
    await this.find('cached').evaluate((details) => (details.open = true));
    return this.find('cached-row').allInnerTexts();
  }

  async forget(index) {
    await this.find('cached-delete').nth(index).click();
  }

  // The observation. Moments count from the oldest, 0; the page counts back from the newest.

  async useSample() {
    await this.find('use-sample').click();
    await until(() => this.canRun(), 'the sample observation is in');
  }

  /** How many steps before the newest a moment lies. */
  async earlier(moment) {
    const fields = await this.tab.locator('[data-test^="state-"][data-test$="-0"]').count();
    return Math.max(0, fields - 1 - moment);
  }

  /** One picture and state for all moments, or one for each. */
  async useSame(same) {
    if ((await this.find('same').count()) > 0) await this.find('same').setChecked(same);
  }

  async setFrame(camera, moment, file) {
    await this.find(`picture-${camera}-${await this.earlier(moment)}`).setInputFiles(file);
  }

  async dropFrame(camera, moment, path) {
    await drop(this.tab, this.find(`zone-${camera}-${await this.earlier(moment)}`), [path]);
  }

  async focusFrame(camera, moment) {
    await this.find(`zone-${camera}-${await this.earlier(moment)}`).focus();
  }

  async takeWithWebcam(camera, moment) {
    const place = `${camera}-${await this.earlier(moment)}`;
    await this.find(`webcam-${place}`).click();
    const video = this.find(`video-${place}`);
    await until(() => video.evaluate(({ videoWidth }) => videoWidth > 0), "the webcam's picture");
    await this.find(`take-${place}`).click();
  }

  /** Pixels of a picture as the model sees it, `{ width, height, rgba }`; null while there is none. */
  async seen(camera, moment) {
    const canvas = this.find(`preview-${camera}-${await this.earlier(moment)}`);
    return canvas.evaluate((canvas) => {
      if (canvas.hidden) return null;
      const { width, height } = canvas;
      return { width, height, rgba: [...canvas.getContext('2d').getImageData(0, 0, width, height).data] };
    });
  }

  /** Waits for a picture as the model sees it that is another than the one before. */
  async seenAnew(camera, moment, before) {
    const anew = async () => {
      const seen = await this.seen(camera, moment);
      return seen && seen.rgba.join() !== before?.rgba.join() ? seen : null;
    };
    return until(anew, 'a new picture as the model sees it', LIMIT.loaded);
  }

  /** What is said below a picture. */
  async frameNote(camera, moment) {
    return this.words(`preview-note-${camera}-${await this.earlier(moment)}`);
  }

  /** Why something that was given cannot be used: a picture, a number. */
  async inputFault() {
    const pictures = await this.tab.locator('[data-test^="picture-error-"]').allInnerTexts();
    return [...pictures, await this.words('missing', 'observation-error')].filter(Boolean).join('\n');
  }

  cameraCount() {
    return this.tab.locator('fieldset[data-test^="camera-"]').count();
  }

  async setState(moment, dim, text) {
    await this.find(`state-${await this.earlier(moment)}-${dim}`).fill(text);
  }

  async setStates(states) {
    for (const [moment, values] of states.entries()) {
      for (const [dim, value] of values.entries()) await this.setState(moment, dim, String(value));
    }
  }

  /** `[moments][dims]` as they stand in the fields. */
  async states() {
    const fields = await this.tab
      .locator('input[data-test^="state-"]')
      .evaluateAll((inputs) =>
        inputs.map((input) => [...input.dataset.test.split('-').slice(1).map(Number), Number(input.value)]),
      );
    const states = [];
    const oldest = Math.max(...fields.map(([earlier]) => earlier));
    for (const [earlier, dim, value] of fields) (states[oldest - earlier] ??= [])[dim] = value;
    return states;
  }

  async setTask(text) {
    await this.find('task').fill(text);
  }

  taskText() {
    return this.find('task').inputValue();
  }

  // Sampling

  /** `seed`, `steps` or `samples`. */
  async setNumber(name, value) {
    await this.find(name).fill(String(value));
  }

  async number(name) {
    return Number(await this.find(name).inputValue());
  }

  async setSampler(name) {
    await this.find('sampler').selectOption(name);
  }

  canRun() {
    return this.find('run').isEnabled();
  }

  async run() {
    await this.find('run').click();
    await this.begun();
  }

  async doubleClickRun() {
    await this.find('run').dblclick();
    await this.begun();
  }

  async isRunning() {
    return (await this.find('cancel-run').count()) > 0 && this.find('cancel-run').isEnabled();
  }

  async cancelRun() {
    await this.find('cancel-run').click();
  }

  /** Waits until a step has been drawn. */
  async stepShown() {
    await until(async () => /evaluation [1-9]/.test(await this.words('run-progress')), 'a step', LIMIT.sampled);
  }

  /** Waits until the run that began is over and its result is there. */
  async finished() {
    await until(
      async () => {
        const words = await this.alertWords();
        assert.equal(words, '', 'a run without a fault');
        return !(await this.isRunning()) && /sampled/.test(await this.words('run-status'));
      },
      'the end of the run',
      LIMIT.sampled,
    );
  }

  // The result

  plotCount() {
    return this.tab.locator(`${at('plots')} figure`).count();
  }

  /** Names of the plots, in order. */
  plotNames() {
    return this.tab.locator(`${at('plots')} figcaption .name`).allInnerTexts();
  }

  /** The executed part of the chosen chunk's line in a plot. */
  linePath(dim) {
    return this.find(`executed-${dim}`).getAttribute('d');
  }

  /** How many chunks are drawn in a plot. */
  lineCount(dim) {
    return this.tab.locator(`${at(`plot-${dim}`)} svg`).evaluate((svg) => {
      const parts = ['.others', '.line'].map((line) => svg.querySelector(line).getAttribute('d') ?? '');
      return (parts.join('').match(/M/g) ?? []).length;
    });
  }

  /** Counts different pictures of the first plot from now on; the function that is returned gives the number. */
  async watchLines() {
    await this.tab.evaluate((line) => {
      window.linesSeen = new Set();
      const look = () => {
        const path = document.querySelector(line)?.getAttribute('d');
        if (path) window.linesSeen.add(path);
      };
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
    }, at('executed-0'));
    return () => this.tab.evaluate(() => window.linesSeen.size);
  }

  /** Points at the middle of a plot, and gives the value that is shown. */
  async valueAt(dim) {
    await this.tab.locator(`${at(`plot-${dim}`)} svg`).hover();
    return this.words(`value-${dim}`);
  }

  /** The slider over the steps of the denoising: `{ value, max }`. */
  slider() {
    return this.find('place').evaluate(({ value, max }) => ({ value: Number(value), max: Number(max) }));
  }

  async slideTo(step) {
    await this.find('place').fill(String(step));
  }

  async replay() {
    await this.find('play').click();
  }

  async chooseChunk(index) {
    await this.find('sample').selectOption(String(index));
  }

  timings() {
    return this.words('timings');
  }

  /** The table: `{ header, rows }` of texts. */
  async table() {
    await this.find('values').evaluate((details) => (details.open = true));
    await this.find('table').waitFor();
    return this.find('table').evaluate((table) => {
      const [header, ...rows] = [...table.rows].map((row) => [...row.cells].map((cell) => cell.innerText.trim()));
      return { header, rows };
    });
  }

  async json() {
    return JSON.parse(await this.download('download-json'));
  }

  csv() {
    return this.download('download-csv');
  }

  async download(name) {
    const [saved] = await Promise.all([this.tab.waitForEvent('download'), this.find(name).click()]);
    return readFile(await saved.path(), 'utf8');
  }

  /** Clicks, and gives what is in the clipboard afterwards. */
  async copyLink() {
    await this.find('copy-link').click();
    await this.find('link').waitFor();
    const [copied, shown] = [await this.tab.evaluate(() => navigator.clipboard.readText()), this.find('link')];
    assert.equal(await shown.inputValue(), copied, 'the link that is shown is the one that was copied');
    return copied;
  }

  // The tab

  /** Makes the page believe that it is hidden: nothing is painted any more. */
  async hide() {
    await this.tab.evaluate(() => {
      const state = { hidden: true, visibilityState: 'hidden' };
      for (const [name, value] of Object.entries(state)) {
        Object.defineProperty(document, name, { get: () => value, configurable: true });
      }
      window.heldFrames = [];
      window.paintFrames = window.requestAnimationFrame;
      window.requestAnimationFrame = (frame) => window.heldFrames.push(frame);
      document.dispatchEvent(new Event('visibilitychange'));
    });
  }

  async show() {
    await this.tab.evaluate(() => {
      delete document.hidden;
      delete document.visibilityState;
      window.requestAnimationFrame = window.paintFrames;
      for (const frame of window.heldFrames) window.requestAnimationFrame(frame);
      document.dispatchEvent(new Event('visibilitychange'));
    });
  }
}
