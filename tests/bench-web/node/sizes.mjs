// What a visitor downloads: every script and every wasm, as stored and compressed.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

/** All scripts and wasm files below a folder, largest first by name of kind. */
export function scriptsBelow(folder) {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && /\.(wasm|m?js)$/.test(entry.name));
    return files.map((entry) => join(entry.parentPath ?? entry.path, entry.name)).sort();
}

/** `[{ name, bytes, gzip, brotli }]`, both at their strongest. */
export async function sizes(files) {
    const rows = [];
    for (const file of files) {
        const content = readFileSync(file);
        const strongest = {
            params: {
                [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
                [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
                [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
            },
        };
        const [zipped, pressed] = await Promise.all([
            promisify(gzip)(content, { level: 9 }),
            promisify(brotliCompress)(content, strongest),
        ]);
        rows.push({ name: basename(file), bytes: content.length, gzip: zipped.length, brotli: pressed.length });
    }
    return rows;
}

/** The sum of such rows. */
export function total(name, rows) {
    const sum = (key) => rows.reduce((all, row) => all + row[key], 0);
    return { name, bytes: sum('bytes'), gzip: sum('gzip'), brotli: sum('brotli') };
}
