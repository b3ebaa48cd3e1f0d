// The four contenders, and one of them at work in a browser.

import { execFileSync } from 'node:child_process';

export const CONTENDERS = [
    { name: 'mtdit-webgpu', module: 'mtdit', backend: 'webgpu', label: 'mtdit WebGPU' },
    { name: 'ort-webgpu', module: 'ort', backend: 'webgpu', label: 'ort-web WebGPU' },
    { name: 'mtdit-cpu', module: 'mtdit', backend: 'cpu', label: 'mtdit wasm' },
    { name: 'ort-wasm', module: 'ort', backend: 'wasm', label: 'ort-web wasm' },
];

// A lost device may never answer.
const LIMIT = 60 * 60_000;

/** One Chromium for all contenders; another only after a crash. */
export class Browser {
    #chromium;
    #flags;
    #running;

    /** `chromium` is playwright's, `flags` go to the browser. */
    constructor(chromium, flags) {
        this.#chromium = chromium;
        this.#flags = flags;
    }

    async get() {
        if (!this.#running?.isConnected()) {
            const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
            const args = ['--enable-unsafe-webgpu', ...root, ...this.#flags];
            this.#running = await this.#chromium.launch({ executablePath: executable(), headless: true, args });
        }
        return this.#running;
    }

    async close() {
        await this.#running?.close();
    }
}

function executable() {
    if (process.env.MTDIT_CHROMIUM) {
        return process.env.MTDIT_CHROMIUM;
    }
    for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
        try {
            return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
        } catch {
            // The next name.
        }
    }
    throw new Error('there is no chromium in PATH; install one or name it in MTDIT_CHROMIUM');
}

/** A contender in a page of its own, in a context of its own: nothing is cached from another run. */
export class Runner {
    // Answers: of `open`, of the first chunk in each page, with all inputs new, with one new moment; milliseconds of
    // joint steps.
    opened = [];
    first = [];
    fresh = [];
    next = [];
    joint = [];
    failure = null;
    // Milliseconds that this contender took since they were last set to 0.
    spent = 0;
    // Observations so far, and the last of them.
    count = 0;
    last = null;

    /** `setting` is `{ browser, origin, model, about, say }`. */
    constructor(contender, setting) {
        Object.assign(this, contender, setting);
    }

    /** Does something unless this contender has failed; its first failure ends its part in this model. */
    async attempt(what, action) {
        if (this.failure) {
            return undefined;
        }
        const began = performance.now();
        try {
            return await within(action(), what);
        } catch (error) {
            this.failure = `${what}: ${String(error.message).split('\n')[0]}`;
            this.say(`  ${this.name} failed, ${this.failure}`);
            await this.close();
            return undefined;
        } finally {
            this.spent += performance.now() - began;
        }
    }

    /** A new page with a new contender in it, instead of the old. */
    async renew() {
        await this.close();
        this.context = await (await this.browser.get()).newContext();
        this.page = await this.context.newPage();
        this.page.on('crash', () => this.say(`  ${this.name}: the page crashed`));
        if (process.env.MTDIT_BENCH_VERBOSE) {
            this.page.on('console', (message) => this.say(`  ${this.name} [${message.type()}] ${message.text()}`));
        }
        await this.page.goto(`${this.origin}/bench/page.html`);
        const { module, backend, model, about } = this;
        await this.page.evaluate(
            async ([module, options]) => {
                const { Contender } = await import(`/bench/${module}.mjs`);
                globalThis.contender = new Contender(options);
            },
            [module, { backend, model, about }],
        );
    }

    /** Calls the contender in its page; in a new one when another contender has brought the browser down. */
    async call(name, ...args) {
        if (!this.context?.browser()?.isConnected()) {
            await this.renew();
            await this.call('open');
            await this.call('predict', this.last);
        }
        return this.page.evaluate(([name, args]) => globalThis.contender[name](...args), [name, args]);
    }

    async predict(inputs) {
        const answer = await this.call('predict', inputs);
        this.last = inputs;
        return answer;
    }

    async close() {
        await this.context?.close().catch(() => {});
        this.context = undefined;
    }
}

/** The result of a promise, or an error when it takes too long. */
function within(promise, what) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(reject, LIMIT, new Error(`${what} took more than ${LIMIT / 60_000} minutes`));
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
