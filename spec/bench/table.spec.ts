import type { Ratio } from './ratio.js';
import { insertInto, tableOf } from './table.js';

function ratioOf(what: string, ratio: string): Ratio {
  return { what, ours: '1', other: '2', ratio, spread: '0.4–0.6', target: '≥ 0.5', verdict: 'pass' };
}

describe('the table of the benchmarks', () => {
  const page = `before\n\n<!-- bench:begin (words) -->\n\n${tableOf([ratioOf('lines : TLS', '0.5'), ratioOf('calls : HTTP/2', '3')])}\n\n<!-- bench:end -->\n\nafter`;

  it('gets the rows that were measured, and keeps the others', () => {
    const written = insertInto(page, [ratioOf('calls : HTTP/2', '4'), ratioOf('time to close : TLS 1.3', '2')]);
    const table = tableOf([
      ratioOf('lines : TLS', '0.5'),
      ratioOf('calls : HTTP/2', '4'),
      ratioOf('time to close : TLS 1.3', '2'),
    ]);
    expect(written).toBe(`before\n\n<!-- bench:begin (words) -->\n\n${table}\n\n<!-- bench:end -->\n\nafter`);
    expect(insertInto(written, [])).toBe(written);
  });

  it('is looked for', () => {
    expect(() => insertInto('no markers', [])).toThrowError(/marker comments/);
  });
});
