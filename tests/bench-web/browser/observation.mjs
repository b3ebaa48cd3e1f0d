// Observations that are the same in every page: pictures, states and sentences from numbers.

/** Uniform numbers in 0..1 from a seed (mulberry32). */
export function uniform(seed) {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let bits = Math.imul(state ^ (state >>> 15), state | 1);
        bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
        return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
    };
}

/** Numbers of the normal distribution from a seed (Box and Muller). */
export function normal(seed, count) {
    const draw = uniform(seed);
    return Float32Array.from(
        { length: count },
        () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw()),
    );
}

/** An opaque PNG of coloured squares, as a file; pixels survive decoding exactly. */
export async function picture(about, id) {
    const [height, width] = about.frame;
    const draw = uniform(0x5eed + id);
    const pixels = new ImageData(width, height);
    const across = Math.ceil(width / 8);
    const opaque = 0xff00_0000;
    const colours = Uint32Array.from({ length: across * Math.ceil(height / 8) }, () => opaque + 2 ** 24 * draw());
    const words = new Uint32Array(pixels.data.buffer);
    for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
            words[y * width + x] = colours[(y >> 3) * across + (x >> 3)];
        }
    }
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext('2d').putImageData(pixels, 0, 0);
    return new File([await canvas.convertToBlob({ type: 'image/png' })], `frame-${id}.png`, { type: 'image/png' });
}

/**
 * An observation by its numbers, `{ sentence, frames: [[id, …], …], seed }` (frames by moment, then camera), with
 * its pictures, states `[n_obs_steps][state_dim]` and words.
 */
export async function observe(about, numbers) {
    const ids = [...new Set(numbers.frames.flat())];
    const pictures = await Promise.all(ids.map((id) => picture(about, id)));
    const draw = uniform(numbers.seed);
    const state = () => Array.from({ length: about.state_dim }, () => Math.fround(2 * draw() - 1));
    return {
        ...numbers,
        ids,
        pictures,
        states: Array.from({ length: about.n_obs_steps }, state),
        text: about.sentences[numbers.sentence].text,
        tokens: about.sentences[numbers.sentence].tokens,
    };
}
