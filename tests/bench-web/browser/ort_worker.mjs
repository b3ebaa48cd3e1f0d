// The policy on ONNX Runtime: the graphs of export_onnx.py, run as mtdit runs its stages.
//
// What a careful user would do is done: features of known frames and sentences are kept, all new frames go through the
// tower in one run, the modulation stays on the GPU, one step is one run.

import { normal } from './observation.mjs';

let ort, about, sessions, gpu, folder, provider, time;
// Features of the last observation, by frame or sentence.
let features = new Map();

const tensor = (data, dims) => new ort.Tensor('float32', data, dims);
const actions = () => [1, about.horizon, about.action_dim];

async function session(name, kept = []) {
    const preferredOutputLocation = Object.fromEntries(kept.map((output) => [output, 'gpu-buffer']));
    return ort.InferenceSession.create(`${folder}/onnx/${name}.onnx`, {
        executionProviders: [provider],
        graphOptimizationLevel: 'all',
        ...(provider === 'webgpu' && kept.length > 0 ? { preferredOutputLocation } : {}),
    });
}

/** Ends a stage whose result stays on the GPU. */
const settle = async () => gpu?.queue.onSubmittedWorkDone();

async function open(options) {
    ({ about, backend: provider } = options);
    folder = `/bench-models/${options.model}`;
    const clock = stopwatch();
    ort = await import(provider === 'webgpu' ? '/ort/ort.webgpu.min.mjs' : '/ort/ort.wasm.min.mjs');
    ort.env.wasm.wasmPaths = '/ort/';
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = 'error';
    const parts = { script: clock() };
    sessions = {};
    for (const [name, ...kept] of [['vision'], ['condition', 'condition'], ['text'], ['step'], ['time', 'time']]) {
        sessions[name] = await session(name, kept);
        parts[name] = clock();
    }
    gpu = provider === 'webgpu' ? await ort.env.webgpu.device : null;
    ({ time } = await sessions.time.run({ t: tensor(Float32Array.from(about.times), [about.steps]) }));
    await settle();
    parts.times = clock();
    return { parts, device: `onnxruntime-web ${ort.env.versions?.web ?? ''} ${provider}, 1 thread` };
}

/** A picture to `[3, height, width]` in 0..1, its middle as large as the tower wants it. */
async function pixels(file, into) {
    const [height, width] = about.crop;
    const picture = await createImageBitmap(file);
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(picture, (width - picture.width) / 2, (height - picture.height) / 2);
    picture.close();
    const { data } = context.getImageData(0, 0, width, height);
    for (let channel = 0; channel < 3; channel++) {
        for (let pixel = 0; pixel < width * height; pixel++) {
            into[channel * width * height + pixel] = data[4 * pixel + channel] / 255;
        }
    }
}

/** Everything that is constant over the steps, on the device; milliseconds are written into `timings`. */
async function encode(observation, timings) {
    const clock = stopwatch();
    const fresh = observation.ids.filter((id) => !features.has(id));
    const size = 3 * about.crop[0] * about.crop[1];
    const images = new Float32Array(fresh.length * size);
    for (const [index, id] of fresh.entries()) {
        await pixels(
            observation.pictures[observation.ids.indexOf(id)],
            images.subarray(index * size, (index + 1) * size),
        );
    }
    timings.preprocess = clock();
    if (fresh.length > 0) {
        const { feature } = await sessions.vision.run({ pixels: tensor(images, [fresh.length, 3, ...about.crop]) });
        const [frames, width] = feature.dims;
        for (let frame = 0; frame < frames; frame++) {
            features.set(fresh[frame], feature.data.slice(frame * width, (frame + 1) * width));
        }
    }
    timings.vision = clock();
    if (!features.has(observation.text)) {
        const tokens = BigInt64Array.from(observation.tokens, BigInt);
        const { feature } = await sessions.text.run({ tokens: new ort.Tensor('int64', tokens, [1, tokens.length]) });
        features.set(observation.text, feature.data.slice());
    }
    timings.text = clock();
    features = new Map([...observation.ids, observation.text].map((key) => [key, features.get(key)]));
    const conditioning = Float32Array.from(
        observation.states.flatMap((state, moment) => [
            ...state,
            ...observation.frames[moment].flatMap((id) => [...features.get(id)]),
            ...features.get(observation.text),
        ]),
    );
    const { condition } = await sessions.condition.run({
        conditioning: tensor(conditioning, [1, conditioning.length]),
    });
    await settle();
    timings.conditioning = clock();
    return condition;
}

/** Integrates the flow from `x`, beginning at a step. */
async function sample(x, condition, first, milliseconds) {
    const clock = stopwatch();
    for (let index = first; index < about.steps; index++) {
        const step = new ort.Tensor('int32', Int32Array.of(index), [1]);
        const { prediction } = await sessions.step.run({ x: tensor(x, actions()), time, condition, step });
        x = x.map((value, i) => value + prediction.data[i] / about.steps);
        milliseconds.push(clock());
    }
    condition.dispose();
    return x;
}

async function predict(observation) {
    const timings = { denoise: [] };
    const began = performance.now();
    const condition = await encode(observation, timings);
    const noise = normal(observation.seed, about.horizon * about.action_dim);
    const chunk = await sample(noise, condition, 0, timings.denoise);
    timings.total = performance.now() - began;
    return { timings, chunk: [...chunk] };
}

async function resume(observation, x) {
    const condition = await encode(observation, {});
    return [...(await sample(Float32Array.from(x.flat()), condition, 1, []))];
}

async function joint(count) {
    sessions.joint ??= await session('joint');
    const reference = await stored();
    const milliseconds = [];
    for (let run = 0; run < count; run++) {
        const clock = stopwatch();
        await sessions.joint.run({ x: reference.x, t: reference.t, conditioning: reference.conditioning });
        milliseconds.push(clock());
    }
    return milliseconds;
}

async function check() {
    sessions.joint ??= await session('joint');
    const reference = await stored();
    const { x, t, conditioning } = reference;
    const tokens = BigInt64Array.from(about.sentences[0].tokens, BigInt);
    const vision = await sessions.vision.run({ pixels: reference.pixels });
    const text = await sessions.text.run({ tokens: new ort.Tensor('int64', tokens, [1, tokens.length]) });
    const whole = await sessions.joint.run({ x, t, conditioning });
    const { condition } = await sessions.condition.run({ conditioning });
    const chunk = await sample(reference.noise.data, condition, 0, []);
    return {
        vision: difference(vision.feature.data, reference.vision.data),
        text: difference(text.feature.data, reference.text.data),
        joint: difference(whole.prediction.data, reference.prediction.data),
        split: difference(chunk, reference.chunk.data),
    };
}

/** The tensors of reference.safetensors, all of them floats. */
async function stored() {
    const bytes = await (await fetch(`${folder}/reference.safetensors`)).arrayBuffer();
    const length = Number(new DataView(bytes).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
    const read = ([
        name,
        {
            shape,
            data_offsets: [start, end],
        },
    ]) => [name, tensor(new Float32Array(bytes.slice(8 + length + start, 8 + length + end)), shape)];
    return Object.fromEntries(
        Object.entries(header)
            .filter(([name]) => name !== '__metadata__')
            .map(read),
    );
}

/** The largest absolute difference as a share of the largest expected magnitude. */
function difference(found, expected) {
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return expected.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i])), 0) / largest;
}

/** A function that tells the milliseconds since it was last called. */
function stopwatch() {
    let last = performance.now();
    return () => {
        const now = performance.now();
        const passed = now - last;
        last = now;
        return passed;
    };
}

const calls = { open, predict, resume, joint, check };
onmessage = async ({ data: { request, name, args } }) => {
    try {
        postMessage({ request, value: await calls[name](...args) });
    } catch (error) {
        postMessage({ request, error: String(error?.message ?? error) });
    }
};
