// The tabletop as a visitor uses it: the world beside the policy, in the page's panel.
import assert from 'node:assert/strict';
import { LIMIT, until } from './browser.mjs';
import { tabletopCheckpoint } from './site.mjs';

/** Half a side of the table, in metres. */
const HALF = 0.25;
/** Two of a kind whose middles are nearer than this are in each other's way, with some room. */
const APART = { puck: 0.06, zone: 0.13 };
/** How far from the table's middle both fit, in x and in y. */
const REACH = 0.18;

export class Table {
  constructor(page) {
    this.page = page;
    this.tab = page.tab;
  }

  /** Opens the page with the shipped policy, by a link to a scene: `{ seed, task }` and what else a link can say. */
  static async open(open, parameters = {}) {
    const page = await open({ checkpoint: tabletopCheckpoint(), view: 'tabletop', ...parameters });
    await page.loaded();
    return new Table(page).laid();
  }

  /** Waits until the scene is drawn. */
  async laid() {
    await until(async () => (await this.objects()).length > 0 && this.isDrawn(), 'a scene', LIMIT.loaded);
    return this;
  }

  find(name) {
    return this.page.find(name);
  }

  isShown() {
    return this.find('tabletop').isVisible();
  }

  /** Whether a picture shows something: 0 is the drawing, then the cameras follow. */
  isDrawn(picture = 0) {
    return this.find(`table-picture-${picture}`).evaluate((canvas) => {
      const { width, height } = canvas;
      const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
      return new Set(new Uint32Array(data.buffer)).size > 3;
    });
  }

  /** Pixels on a side of a picture. */
  side(picture) {
    return this.find(`table-picture-${picture}`).evaluate(({ width }) => width);
  }

  // What is done

  async play() {
    await this.find('table-play').filter({ hasText: 'Play' }).click();
    await this.find('table-play').filter({ hasText: 'Pause' }).waitFor({ timeout: LIMIT.sampled });
  }

  async pause() {
    await this.find('table-play').filter({ hasText: 'Pause' }).click();
    await this.find('table-play').filter({ hasText: 'Play' }).waitFor();
  }

  async step() {
    await this.find('table-step').click();
  }

  /** Lays the scene of a seed. */
  async lay(seed) {
    await this.find('table-seed').fill(String(seed));
    await this.find('table-next').click();
  }

  async keepGoing(wanted) {
    await this.find('table-keep-going').setChecked(wanted);
  }

  async keepTask(wanted) {
    await this.find('table-same-task').setChecked(wanted);
  }

  /** Chooses an instruction from the list. */
  async choose(instruction) {
    await this.find('table-task').selectOption(instruction);
  }

  /** Tells the policy something in words of one's own. */
  async say(instruction) {
    await this.find('table-typed').fill(instruction);
    await this.find('table-tell').click();
  }

  /** Chooses the number of denoising steps. */
  async setSteps(steps) {
    await this.find('table-steps').selectOption(String(steps));
  }

  async stepsOffered() {
    return (await this.find('table-steps').locator('option').allInnerTexts()).map(Number);
  }

  /** Drags an object over the drawing, slowly enough to be seen on its way, and lets go of it. */
  async drag(name, to) {
    const { index, at } = await this.object(name);
    await this.find('table-stage').scrollIntoViewIfNeeded();
    const there = await this.#pixel(to);
    const from = await this.#pixel(at);
    const top = await this.tab.evaluate(([x, y]) => document.elementFromPoint(x, y)?.dataset.test, from);
    assert.equal(top, `table-handle-${index}`, `nothing lies over the ${name}`);
    const { mouse } = this.tab;
    await mouse.move(...from);
    await mouse.down();
    await mouse.move(...there, { steps: 10 });
    await this.arrived(name, to);
    await mouse.up();
  }

  /** Waits until an object is where it was moved to. */
  async arrived(name, [x, y]) {
    const isThere = async () => {
      const { at } = await this.object(name);
      return Math.hypot(at[0] - x, at[1] - y) < 0.005;
    };
    await until(isThere, `${name} at ${x}, ${y}`);
  }

  async #pixel([x, y]) {
    const box = await this.find('table-stage').boundingBox();
    const [across, down] = [(x + HALF) / (2 * HALF), (HALF - y) / (2 * HALF)];
    return [box.x + across * box.width, box.y + down * box.height];
  }

  // What is seen

  status() {
    return this.page.words('table-status');
  }

  tally() {
    return this.page.words('table-tally');
  }

  times() {
    return this.page.words('table-times');
  }

  spoken() {
    return this.find('table-spoken').innerText();
  }

  /** Seconds of the world since the task began. */
  async clock() {
    return parseFloat(await this.find('table-clock').innerText());
  }

  /** The instruction that the policy follows. */
  instruction() {
    return this.find('table-task').inputValue();
  }

  instructions() {
    return this.find('table-task').locator('option').allInnerTexts();
  }

  /** The way of the newest chunk, as the `d` of an SVG path. */
  way() {
    return this.find('table-way').getAttribute('d');
  }

  /** `[{ name, index, at: [x, y] }]`, in metres. */
  objects() {
    return this.tab.locator('[data-test^="table-object-"]').evaluateAll((rows) =>
      rows.map((row, index) => ({
        name: row.querySelector('[data-test^="table-name-"]').innerText.trim(),
        index,
        at: [Number(row.dataset.x), Number(row.dataset.y)],
      })),
    );
  }

  async object(name) {
    const found = (await this.objects()).find((object) => object.name === name);
    assert.ok(found, `there is a ${name}`);
    return found;
  }

  /** A place where something of this kind, `puck` or `zone`, can be put, and where none is. */
  async freePlace(kind) {
    const others = (await this.objects()).filter(({ name }) => name.endsWith(kind));
    const places = [-REACH, 0, REACH].flatMap((x) => [-REACH, 0, REACH].map((y) => [x, y]));
    const place = places.find(([x, y]) => others.every(({ at }) => Math.hypot(at[0] - x, at[1] - y) > APART[kind]));
    assert.ok(place, `a free place for a ${kind}`);
    return place;
  }

  /** Waits until the world has gone on for some time since the task began. */
  async wentOn(seconds) {
    const hasGone = async () => {
      assert.equal(await this.page.alertWords(), '', 'nothing is at fault');
      return (await this.clock()) >= seconds;
    };
    await until(hasGone, `${seconds} s of the world`, LIMIT.sampled);
  }

  /** Waits until so many episodes have ended, and says how the last one did. */
  async ended(episodes = 1) {
    const hasEnded = async () => {
      assert.equal(await this.page.alertWords(), '', 'nothing is at fault');
      return new RegExp(`of ${episodes} episode`).test(await this.tally());
    };
    await until(hasEnded, `the end of ${episodes} episodes`, 2 * LIMIT.sampled);
    return this.status();
  }
}
