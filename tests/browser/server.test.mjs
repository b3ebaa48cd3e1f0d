// The server itself: a fault that does nothing would make every test of it pass.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { parseRange, serve } from './server.mjs';

const BYTES = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 251));

describe('the server', () => {
  let folder;
  let server;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mtdit-server-'));
    await writeFile(join(folder, 'file.bin'), BYTES);
    server = await serve({ '/': folder });
  });
  beforeEach(() => server.clear());
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  const get = (headers = {}) => fetch(`${server.origin}/file.bin`, { headers });
  const body = async (answer) => Buffer.from(await answer.arrayBuffer());

  it('sends a file, parts of it, and counts what it sent', async () => {
    assert.deepEqual(await body(await get()), BYTES);
    const part = await get({ range: 'bytes=100-199' });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get('content-range'), 'bytes 100-199/200000');
    assert.deepEqual(await body(part), BYTES.subarray(100, 200));
    assert.deepEqual(
      server.log.map(({ range, sent, status }) => [range, sent, status]),
      [
        [null, 200_000, 200],
        ['bytes=100-199', 100, 206],
      ],
    );
    assert.equal((await get({ range: 'bytes=200000-' })).status, 416);
    assert.equal((await fetch(`${server.origin}/../../etc/hostname`)).status, 404);
  });

  it('understands ranges', () => {
    assert.deepEqual(parseRange('bytes=5-', 10), [5, 10]);
    assert.deepEqual(parseRange('bytes=5-99', 10), [5, 10]);
    assert.deepEqual(parseRange('bytes=-3', 10), [7, 10]);
    assert.equal(parseRange('bytes=10-', 10), 'beyond');
    assert.equal(parseRange('bytes=1-2,4-5', 10), null);
    assert.equal(parseRange(undefined, 10), null);
  });

  it('cuts the connection after some bytes, as often as told', async () => {
    server.fault(/file/, { cutAfter: 70_000, times: 1 });
    assert.equal((await body(await get({ range: 'bytes=0-999' }))).length, 1000, 'a short answer is whole');
    await assert.rejects(async () => body(await get()));
    assert.equal(server.log[1].sent, 70_000);
    assert.ok(server.log[1].cut);
    assert.deepEqual(await body(await get({ range: 'bytes=70000-' })), BYTES.subarray(70_000));
  });

  it('never gets past a position', async () => {
    server.fault(/file/, { cutAt: 1000 });
    await assert.rejects(async () => body(await get()));
    await assert.rejects(async () => body(await get({ range: 'bytes=1000-' })));
    assert.deepEqual(
      server.log.map(({ sent }) => sent),
      [1000, 0],
    );
  });

  it('knows no ranges, compresses without a length, ends early, lies about the length', async () => {
    server.fault(/file/, { ranges: false });
    const whole = await get({ range: 'bytes=5-' });
    assert.equal(whole.status, 200);
    assert.equal((await body(whole)).length, 200_000);

    server.fault(/file/, { gzip: true });
    const compressed = await get();
    assert.equal(compressed.headers.get('content-length'), null);
    assert.deepEqual(await body(compressed), BYTES);

    server.fault(/file/, { truncate: 10 });
    assert.equal((await body(await get())).length, 10);

    server.fault(/file/, { lengthBy: 50 });
    const long = await get();
    assert.equal(long.headers.get('content-length'), '200050');
    await assert.rejects(() => body(long));
  });

  it('answers 404, HTML and a way to a login page', async () => {
    server.fault(/file/, { status: 503 });
    assert.equal((await get()).status, 503);
    server.fault(/file/, { html: true });
    assert.match(await (await get()).text(), /<!doctype html>/);
    server.fault(/file/, { redirect: '/login' });
    const moved = await get();
    assert.ok(moved.redirected);
    assert.match(await moved.text(), /Sign in/);
  });

  it('is slow, holds an answer, forbids other origins, changes a file', async () => {
    server.fault(/file/, { bytesPerSecond: 400_000 });
    const began = performance.now();
    await body(await get());
    assert.ok(performance.now() - began > 400, 'half a second for 200 kB');

    let release;
    server.fault(/file/, { hold: new Promise((resolve) => (release = resolve)) });
    let answered = false;
    const held = get().then((answer) => ((answered = true), answer));
    await new Promise((done) => setTimeout(done, 100));
    assert.equal(answered, false);
    release();
    await body(await held);

    server.fault(/file/, { cors: false });
    assert.equal((await get()).headers.get('access-control-allow-origin'), null);

    server.clear();
    const etag = (await get()).headers.get('etag');
    server.fault(/file/, { replace: (bytes) => Buffer.from(bytes).reverse() });
    const changed = await get({ range: 'bytes=10-', 'if-range': etag });
    assert.equal(changed.status, 200, 'a range of the old file is answered with the whole new one');
    assert.notEqual(changed.headers.get('etag'), etag);
  });
});
