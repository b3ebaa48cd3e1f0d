// A server of files that fails on demand: what a visitor's host and network may do wrong, switched per path by a test.
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import http from 'node:http';
import { extname, join, normalize } from 'node:path';
import { gzipSync } from 'node:zlib';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.svg': 'image/svg+xml',
  '.safetensors': 'application/octet-stream',
};

const LOGIN = '<!doctype html><title>Sign in</title><form><input name="user"><button>Sign in</button></form>';

/**
 * @typedef {object} Fault What goes wrong with a file. Several may be given together.
 * @property {number} [status] Answer with this status and a short text.
 * @property {boolean} [html] Answer 200 with a page of HTML.
 * @property {string} [redirect] Answer 302 to this address.
 * @property {boolean} [ranges] `false`: know nothing of ranges and always send everything.
 * @property {boolean} [cors] `false`: do not let other origins read.
 * @property {number} [cutAfter] Cut the connection after this many bytes of the answer.
 * @property {number} [cutAt] Cut the connection at this position of the file, in every answer that reaches it.
 * @property {number} [bytesPerSecond] Send slowly.
 * @property {number} [lengthBy] Add this to the Content-Length without sending more or less.
 * @property {boolean} [gzip] Compress, and say no length; ranges are not known.
 * @property {number} [truncate] Serve only the first bytes, as if the file ended there.
 * @property {(bytes: Buffer) => Buffer | string} [replace] Serve this instead of the file's bytes.
 * @property {Promise<void>} [hold] Answer only when this is done.
 * @property {number} [times] How many answers the fault spoils; all without it. An answer that ends before the cut is whole.
 */

/**
 * Serves folders on a port of its own.
 *
 * @param {Record<string, string>} mounts Which folder is served below which path, as `{ '/': 'dist' }`.
 */
export async function serve(mounts) {
  const server = new FaultyServer(mounts);
  await new Promise((ready) => server.http.listen(0, '127.0.0.1', ready));
  server.origin = `http://127.0.0.1:${server.http.address().port}`;
  return server;
}

class FaultyServer {
  /** `{ method, path, range, status, sent, cut }` of every request, in order; `sent` counts bytes of the body. */
  log = [];
  #faults = [];

  constructor(mounts) {
    this.mounts = Object.entries(mounts).sort(([a], [b]) => b.length - a.length);
    this.http = http.createServer((request, response) => {
      this.#answer(request, response).catch((error) => response.destroy(error));
    });
  }

  /** Spoils every path that the pattern matches; of several faults for a path, the latest counts. */
  fault(pattern, /** @type {Fault} */ fault) {
    this.#faults.unshift({ pattern, fault, left: fault.times ?? Infinity });
  }

  /** No faults and an empty log. */
  clear() {
    this.#faults = [];
    this.log = [];
  }

  /** What was asked of the paths that the pattern matches. */
  requests(pattern) {
    return this.log.filter((entry) => pattern.test(entry.path));
  }

  /** Bytes sent of the paths that the pattern matches. */
  sent(pattern) {
    return this.requests(pattern).reduce((sum, entry) => sum + entry.sent, 0);
  }

  close() {
    this.http.closeAllConnections();
    return new Promise((closed) => this.http.close(closed));
  }

  /** The fault that spoils the answer for a path, and what counts that it did. */
  #faultOf(path) {
    const active = this.#faults.find(({ pattern, left }) => left > 0 && pattern.test(path));
    if (!active) return { fault: {}, spend: () => {} };
    const spend = () => (active.left -= 1);
    const cuts = active.fault.cutAfter !== undefined || active.fault.cutAt !== undefined;
    if (!cuts) spend();
    return { fault: active.fault, spend: cuts ? spend : () => {} };
  }

  async #answer(request, response) {
    const path = decodeURIComponent(new URL(request.url, 'http://x').pathname);
    const entry = {
      method: request.method,
      path,
      range: request.headers.range ?? null,
      status: 0,
      sent: 0,
      cut: false,
    };
    this.log.push(entry);
    const { fault, spend } = request.method === 'OPTIONS' ? { fault: {} } : this.#faultOf(path);
    await fault.hold;

    if (fault.cors !== false) {
      response.setHeader('access-control-allow-origin', '*');
      response.setHeader('access-control-allow-headers', 'range, if-range');
      response.setHeader('access-control-expose-headers', 'content-range, content-length, accept-ranges, etag');
    }
    const end = (status, type, body) => {
      entry.status = status;
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    if (request.method === 'OPTIONS') return end(204, 'text/plain', '');
    if (fault.status) return end(fault.status, 'text/plain', `status ${fault.status}`);
    if (fault.redirect) {
      response.setHeader('location', fault.redirect);
      return end(302, 'text/plain', '');
    }
    if (fault.html || path === '/login') return end(200, TYPES['.html'], LOGIN);

    const bytes = await this.#bytes(path, fault);
    if (!bytes) return end(404, 'text/plain', `no file ${path}`);
    const type = TYPES[extname(path)] ?? (path.endsWith('/') ? TYPES['.html'] : 'application/octet-stream');
    await send(request, response, { bytes, type, fault, spend, entry });
  }

  /** The file's bytes as this fault has them, or null. */
  async #bytes(path, fault) {
    const [prefix, folder] = this.mounts.find(([prefix]) => path.startsWith(prefix)) ?? [];
    if (!folder) return null;
    let file = join(folder, normalize(`/${path.slice(prefix.length)}`));
    const found = await stat(file).catch(() => null);
    if (found?.isDirectory()) file = join(file, 'index.html');
    let bytes = await readFile(file).catch(() => null);
    if (bytes && fault.replace) bytes = Buffer.from(fault.replace(bytes));
    return fault.truncate === undefined ? bytes : bytes?.subarray(0, fault.truncate);
  }
}

/** `bytes=FIRST-LAST` within a file of that length: `[first, end)`, null for none, 'beyond' for one outside. */
export function parseRange(header, length) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return null;
  if (match[1] === '') return [Math.max(0, length - Number(match[2])), length];
  const first = Number(match[1]);
  const end = match[2] === '' ? length : Math.min(Number(match[2]) + 1, length);
  return first >= length || first >= end ? 'beyond' : [first, end];
}

async function send(request, response, { bytes, type, fault, spend, entry }) {
  const etag = `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"`;
  const knowsRanges = fault.ranges !== false && !fault.gzip;
  const wanted = knowsRanges ? parseRange(request.headers.range, bytes.length) : null;
  // A range of another version of the file is answered with the whole of this one.
  const sameVersion = !request.headers['if-range'] || request.headers['if-range'] === etag;
  const range = sameVersion ? wanted : null;

  response.setHeader('content-type', type);
  response.setHeader('cache-control', 'no-store');
  response.setHeader('etag', etag);
  if (knowsRanges) response.setHeader('accept-ranges', 'bytes');
  if (range === 'beyond') {
    entry.status = 416;
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` });
    return response.end();
  }
  const [first, last] = range ?? [0, bytes.length];
  let body = bytes.subarray(first, last);
  if (fault.gzip) {
    body = gzipSync(body);
    response.setHeader('content-encoding', 'gzip');
  } else {
    response.setHeader('content-length', body.length + (fault.lengthBy ?? 0));
  }
  if (range) response.setHeader('content-range', `bytes ${first}-${last - 1}/${bytes.length}`);
  entry.status = range ? 206 : 200;
  response.writeHead(entry.status);
  if (request.method === 'HEAD') return response.end();

  const limit = Math.min(
    fault.cutAfter ?? Infinity,
    fault.cutAt === undefined ? Infinity : Math.max(0, fault.cutAt - first),
  );
  const cut = limit < body.length;
  if (cut) spend();
  await pour(response, body.subarray(0, Math.min(limit, body.length)), fault, entry);
  if (cut || fault.lengthBy) {
    entry.cut = true;
    // What was written is given time to leave, so that the visitor has it when the connection breaks.
    await wait(50);
    response.socket?.destroy();
  } else {
    response.end();
  }
}

/** Writes the body, slowly if asked, and counts what was written. */
async function pour(response, body, fault, entry) {
  const piece = fault.bytesPerSecond ? Math.max(1, Math.ceil(fault.bytesPerSecond / 20)) : 65_536;
  for (let at = 0; at < body.length && !response.destroyed; at += piece) {
    const part = body.subarray(at, at + piece);
    await new Promise((written) => {
      response.once('close', written);
      response.write(part, () => {
        response.off('close', written);
        written();
      });
    });
    if (response.destroyed) break;
    entry.sent += part.length;
    if (fault.bytesPerSecond) await wait(50);
  }
}

function wait(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}
