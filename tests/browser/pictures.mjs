// Pictures made for a purpose: a known pattern, a lying header, a turned photograph.
import { crc32, deflateSync } from 'node:zlib';

/** A PNG of that size; every seed gives another picture, with edges and colours a vision tower can tell apart. */
export function png(width, height, seed = 0) {
  const rows = [];
  for (let y = 0; y < height; y += 1) {
    const row = [0];
    for (let x = 0; x < width; x += 1) {
      const block = ((x >> 3) + (y >> 3) + seed) % 2;
      row.push((x * 5 + seed * 40) % 256, (y * 7 + seed * 90) % 256, block * 200 + ((x * y + seed) % 56));
    }
    rows.push(Buffer.from(row));
  }
  return assemble(width, height, deflateSync(Buffer.concat(rows)));
}

/** A PNG that says it is `width` x `height` pixels and holds next to none. */
export function bomb(width, height) {
  return assemble(width, height, deflateSync(Buffer.alloc(100)));
}

function assemble(width, height, data) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(name, data) {
  const named = Buffer.concat([Buffer.from(name), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}

/** A JPEG, red above and blue below, made by the page's browser. */
export async function jpeg(page, width, height) {
  const base64 = await page.evaluate(
    async ({ width, height }) => {
      const canvas = document.createElement('canvas');
      Object.assign(canvas, { width, height });
      const context = canvas.getContext('2d');
      context.fillStyle = '#f00';
      context.fillRect(0, 0, width, height / 2);
      context.fillStyle = '#00f';
      context.fillRect(0, height / 2, width, height / 2);
      return canvas.toDataURL('image/jpeg', 0.95).split(',')[1];
    },
    { width, height },
  );
  return Buffer.from(base64, 'base64');
}

/** The same JPEG with a camera's note on how it was held: 6 is a quarter turn to the right, 3 is upside down. */
export function turned(jpeg, orientation) {
  // TIFF, big-endian, one directory with one entry: tag 0x0112, a SHORT.
  const tiff = Buffer.from('4d4d002a00000008000101120003000000010000000000000000', 'hex');
  tiff.writeUInt16BE(orientation, 18);
  const body = Buffer.concat([Buffer.from('Exif\0\0'), tiff]);
  const head = Buffer.from([0xff, 0xe1, 0, 0]);
  head.writeUInt16BE(body.length + 2, 2);
  return Buffer.concat([jpeg.subarray(0, 2), head, body, jpeg.subarray(2)]);
}
