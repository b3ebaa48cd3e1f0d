// From an observation to a chunk, on one backend. `run.test.mjs` and its siblings call this, each with a browser of its own.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { screenshot, until } from './browser.mjs';
import { png } from './pictures.mjs';
import { PIPELINE, TASKS, assertSameNumbers, checkpoint, predict, published } from './site.mjs';
import { NETWORK, assertSays, suite } from './suite.mjs';

/** Chunks in the browser and on the command line differ by no more than this share of the largest number. */
const SAME = 2e-4;

/** The observation that the site offers with a checkpoint, as a question to the command line. */
async function sampleQuestion(name) {
  const { folder, manifest } = await published(name);
  const { task, states, frames } = manifest.sample;
  const images = frames.flatMap((moment) =>
    moment.map((file, camera) => [['top', 'wrist'][camera], join(folder, file)]),
  );
  return { checkpoint: checkpoint(name), task, states, images };
}

/** What the page computed is what the command line computes. */
async function assertPredicted(page, question, what) {
  const [found, expected] = [await page.json(), await predict(question)];
  assert.equal(found.samples.length, expected.samples.length, `${what}: as many chunks`);
  for (const key of ['sampler', 'steps', 'spacing', 'seed', 'task'])
    assert.equal(found[key], expected[key], `${what}: ${key}`);
  assert.deepEqual(found.action_names, expected.action_names, `${what}: names`);
  assert.deepEqual(found.chunk, found.samples[0]);
  const error = assertSameNumbers(found.samples, expected.samples, SAME, what);
  console.log(`  ${what}: off by ${error.toExponential(1)} of the largest number, ${SAME} is allowed`);
}

/** Runs `body` with a folder that is gone afterwards. */
export async function inFolder(body) {
  const folder = await mkdtemp(join(tmpdir(), 'mtdit-run-'));
  try {
    return await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export function runCases(backend) {
  const name = backend ?? 'auto';
  const wish = backend ? { backend } : {};
  const shows = { cpu: /CPU/, webgpu: /WebGPU/ }[backend] ?? /CPU|WebGPU/;

  suite(`running on ${name}`, ({ claim }) => {
    /** The page with the small diffusion policy and its sample observation. */
    const toy = async (open) => {
      const page = await open({ checkpoint: (await published('toy')).path, ...wish });
      await page.loaded();
      await page.useSample();
      return page;
    };

    /** Asks for a run that takes long enough to do something meanwhile, and says what was asked. */
    const longRun = async (page) => {
      const asked = /WebGPU/.test(await page.device()) ? { samples: 2, steps: 10 } : { samples: 16, steps: 100 };
      for (const [field, value] of Object.entries(asked)) await page.setNumber(field, value);
      await page.run();
      await page.stepShown();
      return asked;
    };

    claim('one click on a listed checkpoint shows what it does', async ({ open }) => {
      const page = await open(wish);
      await page.runListed('toy');
      await page.finished();
      assertSays(await page.device(), shows);
      assert.deepEqual(await page.plotNames(), ['x', 'y', 'z'], 'a plot per action');
      const timings = await page.timings();
      assertSays(timings, /vision/, /text/, /conditioning/, /denoising/, /per step/, /median of 6/, /total/);
      assertSays(timings, /[1-9][\d.]* actions per second/, /\d ms/);
      const { header, rows } = await page.table();
      assert.deepEqual(header, ['Step', 'Executed', 'x', 'y', 'z']);
      assert.equal(rows.length, 16, 'a row per step of the horizon');
      const executed = rows.filter((row) => row[1] === 'executed').map((row) => row.slice(2).map(Number));
      assertSameNumbers(executed, (await page.json()).chunk, 1e-6, 'the executed rows of the table');
      await assertPredicted(page, await sampleQuestion('toy'), `${name}, one click`);
      await screenshot(page.tab, `run-${name}`);
    });

    claim('the sample observation is filled in as it was recorded', async ({ open }) => {
      const page = await toy(open);
      const { sample } = (await published('toy')).manifest;
      assert.equal(await page.taskText(), sample.task);
      const states = sample.states.map((values) => values.map(Math.fround));
      assert.deepEqual(
        (await page.states()).map((values) => values.map(Math.fround)),
        states,
      );
      await page.seenAnew(0, 1, null);
    });

    for (const sampler of ['ddpm', 'ddim', 'dpm++', 'euler', 'midpoint', 'rk4']) {
      const policy = ['ddpm', 'ddim', 'dpm++'].includes(sampler) ? 'toy' : 'flow';
      claim(`${sampler} gives the numbers of mtdit predict`, async ({ open }) => {
        const page = await open({ checkpoint: (await published(policy)).path, ...wish });
        await page.loaded();
        await page.useSample();
        await page.setSampler(sampler);
        await page.setNumber('steps', 3);
        await page.setNumber('seed', 5);
        await page.run();
        await page.finished();
        await assertPredicted(
          page,
          { ...(await sampleQuestion(policy)), sampler, steps: 3, seed: 5 },
          `${name}, ${sampler}`,
        );
      });
    }

    claim(
      'a golden checkpoint with pictures, states and words of our own gives the numbers of mtdit predict',
      { loud: [NETWORK] },
      async ({ open }) => {
        const page = await open({ checkpoint: PIPELINE.path, ...wish });
        await page.loaded();
        await inFolder(async (folder) => {
          await page.useSame(false);
          const images = [];
          for (const moment of [0, 1]) {
            for (const [camera, key] of ['front', 'wrist'].entries()) {
              const file = join(folder, `${key}-${moment}.png`);
              await writeFile(file, png(64, 48, 3 * moment + camera));
              await page.setFrame(camera, moment, file);
              images.push([key, file]);
            }
          }
          const states = [
            [1, -2, 3, 0.5, 0, 7, 2],
            [1.5, -1, 2, 0.25, 0, 6, 2],
          ];
          await page.setStates(states);
          await page.setTask(TASKS[1]);
          for (const [field, value] of [
            ['seed', 11],
            ['steps', 4],
            ['samples', 2],
          ])
            await page.setNumber(field, value);
          await page.run();
          await page.finished();
          const question = {
            checkpoint: PIPELINE.folder,
            task: TASKS[1],
            states,
            images,
            seed: 11,
            steps: 4,
            samples: 2,
          };
          await assertPredicted(page, question, `${name}, golden pipeline_ddim`);
        });
      },
    );

    claim('one picture and state for all moments are used for all of them', async ({ open }) => {
      const page = await toy(open);
      await page.useSame(true);
      await page.setNumber('steps', 2);
      await page.run();
      await page.finished();
      const question = await sampleQuestion('toy');
      // The newest moment alone; the command line fills the history with it.
      Object.assign(question, { states: question.states.slice(-1), images: question.images.slice(-2), steps: 2 });
      await assertPredicted(page, question, `${name}, one moment`);
    });

    claim('a policy without cameras needs no pictures', async ({ open }) => {
      const page = await open(wish);
      await page.dropCheckpoint([checkpoint('blind')]);
      await page.loaded();
      assert.equal(await page.cameraCount(), 0);
      await page.useSame(false);
      const states = [
        [0.5, -1, 2, 0.25],
        [0, 1, -2, 0.75],
      ];
      await page.setStates(states);
      await page.setTask('go');
      await page.run();
      await page.finished();
      const question = { checkpoint: checkpoint('blind'), task: 'go', states, images: [] };
      await assertPredicted(page, question, `${name}, no camera`);
    });

    claim('plots are drawn while steps arrive; slider and replay show every step again', async ({ open }) => {
      const page = await toy(open);
      // Steps that come faster than the screen is painted are drawn together, so there have to be many of them.
      const seen = await page.watchLines();
      await longRun(page);
      await page.finished();
      assert.ok((await seen()) >= 5, `${await seen()} different pictures were seen while it ran`);

      await page.setNumber('samples', 1);
      await page.setNumber('steps', 6);
      await page.run();
      await page.finished();
      const last = await page.linePath(0);
      assert.deepEqual(await page.slider(), { value: 6, max: 6 });
      const paths = [];
      for (let step = 1; step <= 6; step += 1) {
        await page.slideTo(step);
        paths.push(await page.linePath(0));
      }
      assert.equal(new Set(paths).size, 6, 'every step is another picture');
      assert.equal(paths.at(-1), last, 'the last one is the result');
      const replayed = await page.watchLines();
      await page.slideTo(1);
      await page.replay();
      await until(async () => (await replayed()) >= 6, 'all steps are replayed');
      await until(async () => (await page.linePath(0)) === last, 'the replay ends with the result');
      assert.match(await page.valueAt(1), /\d/, 'a value where the pointer is');
    });

    claim('several chunks are overlaid; JSON and CSV hold them', async ({ open }) => {
      const page = await toy(open);
      await page.setNumber('samples', 3);
      await page.setNumber('steps', 2);
      await page.run();
      await page.finished();
      assert.equal(await page.lineCount(0), 3, 'a line per chunk');
      const saved = await page.json();
      assert.equal(saved.samples.length, 3);
      assert.notDeepEqual(saved.samples[0], saved.samples[1], 'each from its own noise');
      const before = await page.linePath(0);
      await page.chooseChunk(2);
      assert.notEqual(await page.linePath(0), before, 'another chunk is drawn boldly');

      const [header, ...lines] = (await page.csv())
        .trim()
        .split('\n')
        .map((line) => line.split(','));
      assert.deepEqual(header, ['sample', 'step', 'executed', 'x', 'y', 'z']);
      assert.equal(lines.length, 3 * 16, 'a line per chunk and step');
      const executed = lines.filter((line) => line[2] === '1').map((line) => line.slice(3).map(Number));
      assertSameNumbers(executed, saved.samples, 1e-6, 'CSV and JSON');
    });

    claim('the same seed gives the same chunk, another seed another one', async ({ open }) => {
      const page = await toy(open);
      const chunk = async (seed) => {
        await page.setNumber('seed', seed);
        await page.setNumber('steps', 2);
        await page.run();
        await page.finished();
        return (await page.json()).chunk;
      };
      const first = await chunk(3);
      assert.notDeepEqual(await chunk(4), first);
      assertSameNumbers(await chunk(3), first, 1e-6, 'the same seed');
    });

    claim('a copied link opens the page with the same settings', async ({ open }) => {
      const page = await toy(open);
      await page.useSame(true);
      await page.setState(1, 0, '0.375');
      await page.setTask('put the block on the plate & go');
      for (const [field, value] of [
        ['seed', 42],
        ['steps', 4],
        ['samples', 2],
      ])
        await page.setNumber(field, value);
      await page.setSampler('dpm++');
      const link = await page.copyLink();
      assert.match(link, /^http:\/\/127\.0\.0\.1:\d+\/\?checkpoint=/);
      const states = await page.states();
      await page.close();
      const again = await open(link);
      await again.loaded();
      assert.equal(await again.taskText(), 'put the block on the plate & go');
      for (const [field, value] of [
        ['seed', 42],
        ['steps', 4],
        ['samples', 2],
      ]) {
        assert.equal(await again.number(field), value, field);
      }
      assert.equal(await again.find('sampler').inputValue(), 'dpm++');
      assert.deepEqual(await again.states(), states);
      assertSays(await again.device(), shows);
    });

    claim('a run is stopped, and the next one is whole', async ({ open }) => {
      const page = await toy(open);
      await longRun(page);
      await page.cancelRun();
      await until(async () => !(await page.isRunning()), 'the run has stopped', 30_000);
      assert.equal(await page.alertWords(), '');
      await page.setNumber('samples', 1);
      await page.setNumber('steps', 3);
      await page.run();
      await page.finished();
      await assertPredicted(page, { ...(await sampleQuestion('toy')), steps: 3 }, `${name}, after a stopped run`);
    });

    claim('two clicks on Run are one run, and Run during a run begins anew', async ({ open }) => {
      const page = await toy(open);
      await page.setNumber('steps', 3);
      await page.doubleClickRun();
      await page.finished();
      assert.deepEqual(await page.slider(), { value: 3, max: 3 }, 'the steps of one run');
      assert.equal((await page.json()).samples.length, 1);

      await longRun(page);
      await page.setNumber('samples', 2);
      await page.setNumber('steps', 2);
      await page.setTask('something else');
      await page.run();
      await page.finished();
      const question = { ...(await sampleQuestion('toy')), task: 'something else', samples: 2, steps: 2 };
      await assertPredicted(page, question, `${name}, begun anew during a run`);
    });

    claim('changes during a run belong to the next one', async ({ open }) => {
      const page = await toy(open);
      const asked = await longRun(page);
      await page.setTask('another instruction');
      await page.finished();
      await assertPredicted(page, { ...(await sampleQuestion('toy')), ...asked }, `${name}, changed during a run`);
    });

    claim('a tab that is hidden goes on and shows the result when it is seen again', async ({ open }) => {
      const page = await toy(open);
      await page.hide();
      await page.setNumber('steps', 3);
      await page.tab.evaluate(() => document.querySelector('[data-test=run]').click());
      await page.finished();
      await page.show();
      await until(async () => (await page.slider()).max === 3 && page.linePath(0), 'the plot is drawn');
      await assertPredicted(page, { ...(await sampleQuestion('toy')), steps: 3 }, `${name}, hidden`);
    });
  });
}
