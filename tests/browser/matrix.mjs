// Prints the matrix of backends and golden cases from lines that the tests wrote: the largest error of each case, as a share of
// the largest expected number, and in brackets the worst number's error as a share of what is allowed.
import { existsSync, readFileSync } from 'node:fs';

const path = process.argv[2];
const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
const rows = lines.map((line) => JSON.parse(line));
const backends = ['flex', 'ndarray', 'wgpu', 'cuda', 'webgpu', 'wasm cpu'].filter((name) => rows.some((row) => row.backend === name));
const cases = [...new Set(rows.map((row) => row.case))].sort();
const stages = ['preprocess', 'encoders', 'conditioning', 'denoiser', 'sample'];

const cell = (backend, name, stage) => {
  // A later run of the same backend counts.
  const found = rows.filter((row) => row.backend === backend && row.case === name && row.stage === stage).at(-1);
  if (!found || found.measured.length === 0) return '-';
  const worst = (key) => Math.max(...found.measured.map((measured) => measured[key]));
  return `${worst('error').toExponential(1)} (${worst('excess').toFixed(2)})`;
};

const table = [['case', 'stage', ...backends]];
for (const name of cases) {
  for (const stage of stages) table.push([name, stage, ...backends.map((backend) => cell(backend, name, stage))]);
}
const widths = table[0].map((_, i) => Math.max(...table.map((row) => row[i].length)));
const line = (row) => `| ${row.map((text, i) => text.padEnd(widths[i])).join(' | ')} |`;
console.log(line(table[0]));
console.log(`|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`);
table.slice(1).forEach((row) => console.log(line(row)));
