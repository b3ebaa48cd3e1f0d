// The site under test, the checkpoints it was made from, and the command line's answer to the same question.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { serve } from './server.mjs';

const MTDIT = process.env.MTDIT ?? fileURLToPath(new URL('../../target/release/mtdit', import.meta.url));
/** What run.sh made: `site`, `pieces` and `checkpoints`. */
const WORK = process.env.MTDIT_BROWSER_WORK ?? '';

/** Golden checkpoints, as LeRobot saved them, without a manifest. */
export const GOLDEN = fileURLToPath(new URL('../golden/cases', import.meta.url));
/** The golden policy with statistics: two cameras of 64 x 48, two moments, seven state values, six actions. */
export const PIPELINE = { folder: join(GOLDEN, 'pipeline_ddim/checkpoint'), path: '/golden/pipeline_ddim/checkpoint/' };
/** Instructions of that policy. */
export const TASKS = ['pick up the red cube', 'Put the CAN   in the bin, please!'];

/** Checkpoints of this repository, and the address below which they are served as they lie. */
const SHIPPED = fileURLToPath(new URL('../../models', import.meta.url));
const SHIPPED_PATH = '/shipped/';

/** The shipped policy of the tabletop: its address. */
export function tabletopCheckpoint() {
  assert.ok(existsSync(join(SHIPPED, 'tabletop/config.json')), 'models/tabletop is not there');
  return `${SHIPPED_PATH}tabletop/`;
}

/** What run.sh trained: `toy` (diffusion), `flow` (flow matching), `small` (towers known by name), `blind` (no camera). */
export function checkpoint(name) {
  return join(WORK, 'checkpoints', name);
}

/**
 * The published site, with the golden checkpoints below `/golden/`, the site in pieces below `/pieces/`, and the repository's
 * checkpoints below `/shipped/`.
 */
export async function serveSite() {
  assert.ok(existsSync(join(WORK, 'site/index.html')), 'no site to test: start with tests/browser/run.sh');
  const folders = { '/golden/': GOLDEN, '/pieces/': join(WORK, 'pieces'), [SHIPPED_PATH]: SHIPPED };
  return serve({ '/': join(WORK, 'site'), ...folders });
}

/** The site's list: `models/index.json`. */
export async function listed() {
  return JSON.parse(await readFile(join(WORK, 'site/models/index.json'), 'utf8')).checkpoints;
}

/** The published folder of a listed checkpoint, its address and its manifest. */
export async function published(name) {
  const found = (await listed()).find((entry) => entry.folder.includes(name) || entry.name.includes(name));
  assert.ok(found, `the site lists no ${name}`);
  const folder = join(WORK, 'site/models', found.folder);
  const manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'));
  return { ...found, folder, path: `/models/${found.folder.replace(/\/$/, '')}/`, manifest };
}

/**
 * What `mtdit predict` answers on the processor.
 *
 * @param {object} question `checkpoint` (a folder), `task`, `states` and `images` (`[[camera, file], ..]`, oldest first), and
 * perhaps `seed`, `sampler`, `steps`, `samples`, `trailing`.
 */
export async function predict(question) {
  const folder = await mkdtemp(join(tmpdir(), 'mtdit-predict-'));
  const out = join(folder, 'answer.json');
  const words = [
    'predict',
    '--device',
    'cpu',
    '--checkpoint',
    question.checkpoint,
    '--task',
    question.task,
    '--out',
    out,
  ];
  for (const state of question.states) words.push('--state', state.join(','));
  for (const [camera, file] of question.images) words.push('--image', `${camera}=${file}`);
  for (const option of ['seed', 'sampler', 'steps', 'samples']) {
    if (question[option] !== undefined) words.push(`--${option}`, String(question[option]));
  }
  if (question.trailing) words.push('--trailing');
  try {
    await promisify(execFile)(MTDIT, words);
    return JSON.parse(await readFile(out, 'utf8'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Lists of numbers, however nested, are the same to a share of the largest number. */
export function assertSameNumbers(found, expected, share, what) {
  const [a, b] = [found.flat(Infinity), expected.flat(Infinity)];
  assert.equal(a.length, b.length, `${what}: as many numbers`);
  assert.ok(a.every(Number.isFinite), `${what}: all are numbers`);
  const largest = Math.max(...b.map(Math.abs));
  const error = Math.max(...a.map((value, i) => Math.abs(value - b[i]))) / largest;
  assert.ok(error <= share, `${what}: off by ${error.toExponential(2)} of the largest number, ${share} is allowed`);
  return error;
}
