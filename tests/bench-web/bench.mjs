// The page's engine and onnxruntime-web on the same policy, side by side in one Chromium. See README.md.
//
//   node bench.mjs [--small-only] [--runs 5] [--first-runs 3] [--budget 240] [--only NAME,…] [--no-sizes]
//                  [--chromium-flag=FLAG …]

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, homedir, loadavg, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { Browser, CONTENDERS } from './node/contender.mjs';
import { measure } from './node/measure.mjs';
import { serve } from './node/server.mjs';
import { scriptsBelow, sizes, total } from './node/sizes.mjs';
import { sizeTable, table, tables } from './node/table.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const bench = process.env.MTDIT_BENCH_DIR || join(homedir(), '.cache/mtdit/bench-web');
const dist = process.env.MTDIT_WEB_DIST || join(here, '../../web/dist');
const packages = join(bench, 'npm/node_modules');
const { chromium } = createRequire(join(packages, 'bench.js'))('playwright-core');

const { values: options } = parseArgs({
    options: {
        'small-only': { type: 'boolean', default: false },
        runs: { type: 'string', default: '5' },
        'first-runs': { type: 'string', default: '3' },
        budget: { type: 'string', default: '240' },
        only: { type: 'string', default: CONTENDERS.map(({ name }) => name).join() },
        'no-sizes': { type: 'boolean', default: false },
        'chromium-flag': { type: 'string', multiple: true, default: [] },
    },
});

const say = (text) => process.stderr.write(`${text}\n`);
const print = (text = '') => process.stdout.write(`${text}\n`);

/** Processor, browser, adapter and versions: numbers mean nothing without them. */
async function machine(browser, origin) {
    const running = await browser.get();
    const page = await running.newPage();
    await page.goto(`${origin}/bench/page.html`);
    const adapter = await page.evaluate(async () => {
        const info = (await navigator.gpu?.requestAdapter())?.info;
        return info
            ? [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(' ')
            : 'none';
    });
    await page.close();
    const { version } = JSON.parse(readFileSync(join(packages, 'onnxruntime-web/package.json'), 'utf8'));
    const git = (...args) => execFileSync('git', ['-C', here, ...args], { encoding: 'utf8' }).trim();
    const changed = git('status', '--porcelain', '--untracked-files=no') ? ' with changes' : '';
    return {
        date: new Date().toISOString().slice(0, 10),
        processor: `${cpus()[0].model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
        'load when it began': loadavg()[0].toFixed(1),
        Chromium: `${running.version()}, headless`,
        adapter,
        'onnxruntime-web': `${version}, 1 thread`,
        mtdit: `${git('rev-parse', '--short', 'HEAD')}${changed}`,
    };
}

function report(about, { runners, compared }) {
    const million = (count) => `${(count / 1e6).toFixed(1)} M`;
    print(
        `## ${about.name}: ${million(about.parameters)} parameters, ${million(about.denoiser_parameters)} in the denoiser\n`,
    );
    print(
        `Hidden ${about.hidden_dim}, ${about.layers} layers, ${about.heads} heads, horizon ${about.horizon}, action ${about.action_dim}, ` +
            `${about.cameras.length} cameras, ${about.n_obs_steps} moments, frames of ${about.crop.join(' × ')}. Milliseconds.\n`,
    );
    const { warm, first } = tables(runners, about);
    print(`Warm, medians:\n\n${warm}\n`);
    print(`First call in a new page, medians:\n\n${first}\n`);
    print(`Largest relative difference:\n\n${table(['', 'error'], compared)}\n`);
    for (const runner of runners) {
        print(`- ${runner.label}: ${runner.failure ?? account(runner)}.`);
    }
    print();
}

/** What one contender ran on and how often. */
function account({ opened, first, next, fresh }) {
    const { device, parts, selfTest } = opened.at(-1);
    const { heap } = first.at(-1);
    const loading = Object.entries(parts)
        .map(([part, time]) => `${part} ${Math.round(time)}`)
        .join(', ');
    const words = [
        device,
        `new pages ${first.length}, warm runs with a new moment ${Math.max(1, next.length - 1)}, with new inputs ${fresh.length}`,
        heap && `wasm memory ${Math.round(heap / 2 ** 20)} MiB`,
        selfTest && `self-test ${selfTest.passed ? 'passed' : 'FAILED'}`,
        `last loading in ms: ${loading}`,
    ];
    return words.filter(Boolean).join('; ');
}

/** Whether a file of onnxruntime-web belongs to the build with WebGPU, which holds the wasm provider as well. */
const withWebGpu = ({ name }) => /webgpu|asyncify|jsep|jspi/.test(name);

async function printSizes(served) {
    say('compressing what a visitor downloads');
    const ours = await sizes(scriptsBelow(dist));
    const theirs = await sizes([...served].filter((file) => file.startsWith(join(packages, 'onnxruntime-web'))).sort());
    const both = theirs.filter(withWebGpu);
    const alone = theirs.filter((row) => !withWebGpu(row));
    const rows = [...ours, total('mtdit: page and engine, both backends', ours), ...theirs];
    rows.push(...(both.length > 0 ? [total('onnxruntime-web with WebGPU and wasm', both)] : []));
    rows.push(...(alone.length > 0 ? [total('onnxruntime-web, wasm alone', alone)] : []));
    print(`## Sizes\n\n${sizeTable(rows)}`);
    return rows;
}

async function main() {
    if (!existsSync(join(dist, 'engine_loader.js'))) {
        throw new Error(
            `${dist} has no engine_loader.js; build the page with \`trunk build --release\` or name its folder in MTDIT_WEB_DIST`,
        );
    }
    const roots = [
        ['/bench/', join(here, 'browser')],
        ['/bench-models/', join(bench, 'models')],
        ['/ort/', join(packages, 'onnxruntime-web/dist')],
        ['/', dist],
    ];
    const { origin, served, close } = await serve(roots);
    const browser = new Browser(chromium, options['chromium-flag']);
    const keep = (results) => writeFileSync(join(bench, 'results.json'), JSON.stringify(results));
    const plan = {
        runs: Number(options.runs),
        firstRuns: Number(options['first-runs']),
        budget: 1000 * Number(options.budget),
        only: options.only.split(','),
    };
    try {
        const results = { machine: await machine(browser, origin), models: {} };
        print(
            `${Object.entries(results.machine)
                .map(([what, value]) => `- ${what}: ${value}`)
                .join('\n')}\n`,
        );
        for (const model of options['small-only'] ? ['small'] : ['default', 'small']) {
            say(`${model}:`);
            const about = JSON.parse(readFileSync(join(bench, 'models', model, 'bench.json'), 'utf8'));
            const { runners, compared } = await measure({ browser, origin, model, about, say }, plan);
            report(about, { runners, compared });
            const kept = runners.map(({ name, opened, first, fresh, next, joint, failure }) => ({
                name,
                opened,
                first,
                fresh,
                next,
                joint,
                failure,
            }));
            results.models[model] = { compared, contenders: kept };
            keep(results);
        }
        if (!options['no-sizes']) {
            results.sizes = await printSizes(served);
            keep(results);
        }
        say(`every number is in ${join(bench, 'results.json')}`);
    } finally {
        await browser.close();
        close();
    }
}

await main();
