// The page's engine as a contender: its worker, spoken to as the page does (web/src/protocol.rs).

import { observe } from './observation.mjs';

const LOADER = '/engine_loader.js';
// What ends a request; everything else comes in between.
const LAST = new Set(['Started', 'Loaded', 'Preview', 'Predicted', 'Cached', 'Cancelled', 'Failed']);

/** One worker; requests are answered in order. */
class Engine {
    #worker;
    #next = 1;
    #open = new Map();

    constructor() {
        // It keeps what is said to it before its wasm runs.
        this.#worker = new Worker(LOADER);
        this.#worker.onmessage = ({ data }) => this.#hear(JSON.parse(Array.isArray(data) ? data[0] : data));
        this.#worker.onerror = (event) =>
            this.#fail(`the engine's worker failed: ${event.message ?? 'no reason given'}`);
    }

    /** Sends a request; resolves to its last event, `hear` gets those in between. */
    request(body, attachments = [], hear = () => {}) {
        const request = this.#next++;
        const answer = new Promise((resolve, reject) => this.#open.set(request, { resolve, reject, hear }));
        this.#worker.postMessage([JSON.stringify({ request, body }), ...attachments]);
        return answer;
    }

    #hear({ request, body }) {
        const [kind, content] = typeof body === 'string' ? [body, null] : Object.entries(body)[0];
        const waiting = this.#open.get(request);
        if (kind === 'Lost') {
            this.#fail(content);
        } else if (!LAST.has(kind)) {
            // Seen with MTDIT_BENCH_VERBOSE: a silence of minutes says nothing.
            console.debug(kind, kind === 'Step' ? `${content.done} of ${content.total}` : JSON.stringify(content));
            waiting?.hear(kind, content);
        } else if (waiting) {
            this.#open.delete(request);
            const failed = kind === 'Failed' || kind === 'Cancelled';
            failed ? waiting.reject(new Error(content?.message ?? 'cancelled')) : waiting.resolve(content);
        }
    }

    #fail(message) {
        for (const { reject } of this.#open.values()) {
            reject(new Error(message));
        }
        this.#open.clear();
    }
}

export class Contender {
    #options;
    #engine;

    /** `{ backend, model, about }`: the backend's name in the protocol, the model's folder, its bench.json. */
    constructor(options) {
        this.#options = options;
    }

    /** Starts the worker, finds the device and loads; milliseconds of all of it, and what the engine says of itself. */
    async open() {
        const { backend, model } = this.#options;
        const began = performance.now();
        this.#engine = new Engine();
        const device = await this.#engine.request({ Start: { backend } });
        const started = performance.now();
        const url = new URL(`/bench-models/${model}/checkpoint`, location).href;
        const card = await this.#engine.request({ Load: { Url: { url } } });
        const loaded = performance.now();
        return {
            milliseconds: loaded - began,
            parts: Object.fromEntries([['start', started - began], ...card.timings]),
            device: `${device.backend}, ${device.adapter}${device.notice ? ` (${device.notice})` : ''}`,
            selfTest: card.self_test,
            heap: card.heap,
        };
    }

    /** Samples one chunk: milliseconds by stage, the actions after every step, and the chunk. */
    async predict(numbers) {
        const { about } = this.#options;
        const { ids, pictures, states, text, frames } = await observe(about, numbers);
        const body = {
            task: text,
            states,
            frames: frames.map((moment) => moment.map((id) => ids.indexOf(id))),
            sampler: 'euler',
            steps: about.steps,
            trailing: false,
            seed: numbers.seed,
            samples: 1,
        };
        const path = [];
        const began = performance.now();
        const prediction = await this.#engine.request({ Predict: body }, pictures, (kind, content) => {
            if (kind === 'Step') {
                path.push(content.actions);
            }
        });
        const wall = performance.now() - began;
        return { timings: { ...prediction.timings, wall }, path, chunk: prediction.samples[0], heap: prediction.heap };
    }
}
