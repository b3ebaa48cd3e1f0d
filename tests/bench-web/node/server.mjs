// A local static server: byte ranges for the weights, nothing cached, cross-origin isolation for exact clocks.

import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES = {
    '.html': 'text/html',
    '.js': 'text/javascript',
    '.mjs': 'text/javascript',
    '.css': 'text/css',
    '.wasm': 'application/wasm',
    '.json': 'application/json',
    '.svg': 'image/svg+xml',
};
const HEADERS = {
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
    'cache-control': 'no-store',
    'accept-ranges': 'bytes',
};

/**
 * Serves folders by the beginning of the path; `roots` is `[['/prefix/', folder], …]`, the first that fits is taken.
 * The answer has the origin and the paths of all files that were asked for and found.
 */
export async function serve(roots) {
    const served = new Set();
    const server = createServer((request, response) => answer(roots, served, request, response));
    await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
    const close = () => {
        server.closeAllConnections();
        server.close();
    };
    return { origin: `http://localhost:${server.address().port}`, served, close };
}

function answer(roots, served, request, response) {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    const found = find(roots, path);
    if (!found) {
        response.writeHead(404, HEADERS);
        response.end(`There is no ${path}.`);
        return;
    }
    const { file, size } = found;
    served.add(file);
    const headers = { ...HEADERS, 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' };
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const start = range ? Number(range[1]) : 0;
    const end = range?.[2] ? Math.min(Number(range[2]), size - 1) : size - 1;
    if (range && (start >= size || end < start)) {
        response.writeHead(416, { ...headers, 'content-range': `bytes */${size}` });
        response.end();
        return;
    }
    if (range) {
        headers['content-range'] = `bytes ${start}-${end}/${size}`;
    }
    response.writeHead(range ? 206 : 200, { ...headers, 'content-length': size === 0 ? 0 : end - start + 1 });
    if (request.method === 'HEAD' || size === 0) {
        response.end();
    } else {
        const stream = createReadStream(file, { start, end, highWaterMark: 1 << 20 });
        response.on('close', () => stream.destroy());
        stream.pipe(response);
    }
}

function find(roots, path) {
    for (const [prefix, folder] of roots) {
        if (path.startsWith(prefix)) {
            const file = join(folder, normalize(`/${path.slice(prefix.length)}`));
            const stat = statSync(file, { throwIfNoEntry: false });
            if (stat?.isFile()) {
                return { file, size: stat.size };
            }
        }
    }
    return null;
}
