// onnxruntime-web as a contender: a dedicated worker like the engine's, and the calls into it.

import { observe } from './observation.mjs';

export class Contender {
    #options;
    #worker;
    #next = 1;
    #open = new Map();

    /** `{ backend, model, about }`: the execution provider, the model's folder, its bench.json. */
    constructor(options) {
        this.#options = options;
    }

    /** Starts the worker and makes the sessions that a chunk needs. */
    async open() {
        const began = performance.now();
        this.#worker = new Worker(new URL('ort_worker.mjs', import.meta.url), { type: 'module' });
        this.#worker.onmessage = ({ data }) => {
            const { resolve, reject } = this.#open.get(data.request);
            this.#open.delete(data.request);
            data.error ? reject(new Error(data.error)) : resolve(data.value);
        };
        this.#worker.onerror = (event) =>
            this.#open.forEach(({ reject }) => reject(new Error(event.message ?? 'the worker failed')));
        const { parts, device } = await this.#call('open', this.#options);
        return { milliseconds: performance.now() - began, parts, device };
    }

    /** Samples one chunk: milliseconds by stage and the chunk. */
    async predict(numbers) {
        const observation = await observe(this.#options.about, numbers);
        const began = performance.now();
        const { timings, chunk } = await this.#call('predict', observation);
        return { timings: { ...timings, wall: performance.now() - began }, chunk };
    }

    /** Goes on from the actions after the first step of another contender, on the same observation. */
    async resume(numbers, actions) {
        return this.#call('resume', await observe(this.#options.about, numbers), actions);
    }

    /** Milliseconds of steps through LeRobot's own graph, where nothing of the conditioning is kept. */
    joint(count) {
        return this.#call('joint', count);
    }

    /** The largest relative difference from LeRobot in PyTorch, by graph. */
    check() {
        return this.#call('check');
    }

    #call(name, ...args) {
        const request = this.#next++;
        const answer = new Promise((resolve, reject) => this.#open.set(request, { resolve, reject }));
        this.#worker.postMessage({ request, name, args });
        return answer;
    }
}
