// One model, all contenders: first chunks in new pages, a comparison of the numbers, warm runs.

import { CONTENDERS, Runner } from './contender.mjs';

/** `setting` is the runners', `plan` is `{ runs, firstRuns, budget, only }` with the budget in milliseconds. */
export async function measure(setting, plan) {
    const runners = CONTENDERS.map((contender) => new Runner(contender, setting));
    for (const runner of runners.filter(({ name }) => !plan.only.includes(name))) {
        runner.failure = 'left out';
    }
    await firstChunks(runners, setting, plan);
    const compared = await compare(runners, setting.about);
    await warmRuns(runners, setting, plan);
    for (const runner of runners) {
        await runner.close();
    }
    return { runners, compared };
}

/** Numbers of an observation where everything is new; `observe` in browser/observation.mjs makes it. */
function freshInputs(about, count) {
    const cameras = about.cameras.length;
    const frames = Array.from({ length: about.n_obs_steps }, (_, moment) =>
        Array.from({ length: cameras }, (_, camera) => (count * about.n_obs_steps + moment) * cameras + camera),
    );
    return { sentence: count % about.sentences.length, frames, seed: count };
}

/** What a robot sees next: a new moment, the last has become the one before. State and sentence are new. */
function nextInputs(about, count, last) {
    const inputs = freshInputs(about, count);
    return { ...inputs, frames: [...last.frames.slice(1), inputs.frames.at(-1)] };
}

/** Start, load and first chunk in new pages, in turn; the last page of every contender stays open. */
async function firstChunks(runners, { about, say }, { firstRuns, budget }) {
    for (let run = 0; run < firstRuns; run++) {
        for (const runner of runners) {
            if (run > 0 && runner.spent * (1 + 1 / run) > budget) {
                continue;
            }
            await runner.attempt('start, load and first chunk', async () => {
                await runner.renew();
                const opened = await runner.call('open');
                const answer = await runner.predict(freshInputs(about, 0));
                runner.opened.push(opened);
                runner.first.push(answer);
                const wall = Math.round(answer.timings.wall);
                say(`  ${runner.name}: loaded in ${Math.round(opened.milliseconds)} ms, first chunk ${wall} ms`);
            });
        }
    }
}

/** Whether the same thing is computed: ONNX against PyTorch, and mtdit against ONNX from its first step on. */
async function compare(runners, about) {
    const lines = [];
    const number = (error) => (Number.isFinite(error) ? error.toExponential(1) : '–');
    for (const ort of runners.filter(({ module }) => module === 'ort')) {
        const found = await ort.attempt('the comparison with PyTorch', () => ort.call('check'));
        for (const [graph, error] of Object.entries(found ?? {})) {
            lines.push([`${ort.label} against PyTorch, ${graph}`, number(error)]);
        }
        const ours = runners[runners.indexOf(ort) - 1];
        const answer = ours.first.at(-1);
        if (answer) {
            const theirs = await ort.attempt('the comparison with mtdit', () =>
                ort.call('resume', freshInputs(about, 0), answer.path[0]),
            );
            lines.push([
                `${ours.label} against ${ort.label}, chunk`,
                number(theirs && difference(answer.chunk.flat(), theirs)),
            ]);
        }
    }
    return lines;
}

/** The largest absolute difference as a share of the largest expected magnitude. */
function difference(found, expected) {
    const largest = Math.max(...expected.map(Math.abs));
    return Math.max(...expected.map((value, i) => Math.abs(value - found[i]))) / largest;
}

/**
 * Warm runs in turn; another contender begins each time. Run 0, which every contender has, warms up the tower for one
 * moment and is counted only when the budget has no room for another.
 */
async function warmRuns(runners, { about, say }, { runs, budget }) {
    for (const runner of runners) {
        runner.spent = 0;
    }
    for (let run = 0; run <= runs; run++) {
        for (let turn = 0; turn < runners.length; turn++) {
            const runner = runners[(run + turn) % runners.length];
            const affords = (milliseconds) => runner.spent + milliseconds <= budget;
            const began = runner.spent;
            let repeats = 0;
            do {
                if (repeats + run === 0 || affords(runner.spent / runner.next.length)) {
                    await runner.attempt('a warm run', () => nextMoment(runner, about));
                }
                if (run > 0 && affords(runner.first.at(-1)?.timings.wall)) {
                    await runner.attempt('a warm run', () => freshChunk(runner, about));
                }
                // A quick contender repeats: the shorter a time, the more of it is chance.
            } while (++repeats < 10 && runner.spent - began < 1000 && !runner.failure && run > 0);
        }
        say(run === 0 ? '  warmed up' : `  run ${run} of ${runs}`);
    }
}

async function freshChunk(runner, about) {
    const { timings } = await runner.predict(freshInputs(about, ++runner.count));
    runner.fresh.push({ timings });
}

async function nextMoment(runner, about) {
    const { timings } = await runner.predict(nextInputs(about, ++runner.count, runner.last));
    runner.next.push({ timings });
    if (runner.module === 'ort') {
        runner.joint.push(...(await runner.call('joint', 3)));
    }
}
