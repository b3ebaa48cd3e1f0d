// Numbers to the table that the README shows.

export function median(values) {
    const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Milliseconds with three significant digits. */
export function milliseconds(value) {
    return Number.isFinite(value) ? value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0) : '–';
}

/** The first number as a multiple of the second; in bold where it is larger. */
function ratio(ours, theirs) {
    const value = ours / theirs;
    if (!Number.isFinite(value)) {
        return '–';
    }
    const text = value < 0.1 ? value.toPrecision(1) : value.toFixed(value < 10 ? 2 : 0);
    return value > 1 ? `**${text}**` : text;
}

/** Markdown, its columns of one width. */
export function table(head, rows) {
    const lines = [head, head.map((_, column) => (column === 0 ? '---' : '--:')), ...rows];
    const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
    const pad = (cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]));
    return lines.map((line) => `| ${line.map(pad).join(' | ')} |`).join('\n');
}

/** What one contender's answers say about every row; a number is a median where there are several answers. */
function rows(contender, { steps, cameras, n_obs_steps: moments }) {
    const { opened, first, fresh, joint } = contender;
    // The first of them warms up.
    const next = contender.next.length > 1 ? contender.next.slice(1) : contender.next;
    const of = (answers, pick) => median(answers.flatMap(pick));
    const warm = [...fresh, ...next];
    const conditioning = of(warm, ({ timings }) => timings.conditioning);
    const denoise = of(warm, ({ timings }) => timings.denoise);
    const chunk = ({ timings }) => timings.wall;
    return {
        warm: [
            [
                `vision tower, one frame (of ${cameras.length} at once)`,
                of(next, ({ timings }) => timings.vision / cameras.length),
            ],
            [`vision tower, ${cameras.length * moments} frames`, of(fresh, ({ timings }) => timings.vision)],
            ['text tower', of(warm, ({ timings }) => timings.text)],
            ['conditioning, once per chunk', conditioning],
            ['denoiser step, split', denoise],
            ['denoiser step, joint', joint.length > 0 ? median(joint) : conditioning + denoise],
            [`chunk of ${steps} steps, all inputs new`, of(fresh, chunk)],
        ],
        first: [
            [`vision tower, ${cameras.length * moments} frames`, of(first, ({ timings }) => timings.vision)],
            ['text tower', of(first, ({ timings }) => timings.text)],
            ['conditioning', of(first, ({ timings }) => timings.conditioning)],
            ['first denoiser step', of(first, ({ timings }) => timings.denoise[0])],
            ['time to first chunk, after loading', of(first, chunk)],
            ['loading', median(opened.map((open) => open.milliseconds))],
            [
                'time to first chunk, with loading',
                median(opened.map((open, run) => open.milliseconds + first[run]?.timings.wall)),
            ],
        ],
    };
}

/** Both tables of a model. `contenders` are in the order mtdit, other, mtdit, other. */
export function tables(contenders, about) {
    const columns = contenders.map((contender) => rows(contender, about));
    const head = ['', ...contenders.flatMap(({ label }, column) => (column % 2 ? [label, 'ratio'] : [label]))];
    const compared = (part) =>
        columns[0][part].map(([name], row) => {
            const values = columns.map((column) => column[part][row][1]);
            const cell = (value, column) =>
                column % 2 ? [milliseconds(value), ratio(values[column - 1], value)] : [milliseconds(value)];
            return [name, ...values.flatMap(cell)];
        });
    return { warm: table(head, compared('warm')), first: table(head, compared('first')) };
}

/** The table of compressed sizes. */
export function sizeTable(rows) {
    const mebibytes = (bytes) => (bytes / 2 ** 20).toFixed(2);
    const cells = rows.map((row) => [row.name, mebibytes(row.bytes), mebibytes(row.gzip), mebibytes(row.brotli)]);
    return table(['MiB', 'raw', 'gzip -9', 'brotli -11'], cells);
}
