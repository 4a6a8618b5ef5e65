import type { MatrixResult, PairResult, Way, Won } from './measurement.js';
import { BEGIN, describePair, END, insertTable, renderTable } from './table.js';

const result = (...pairs: PairResult[]): MatrixResult => ({
  wire: 'tc netem',
  delayMs: 20,
  jitterMs: 0,
  loss: 0,
  bandwidthMbit: null,
  repeat: 2,
  pairs,
});

const won = (way: Way, ms: number): Won => ({ ok: true, first: way, ms, last: way, movedMs: null });

const RELAY: Way = { technique: 'relay', direct: false };

const direct: PairResult = {
  pair: ['random', 'public'],
  roundTripMs: 80,
  trials: [won({ technique: 'direct', direct: true }, 120)],
};
const relayed: PairResult = {
  pair: ['random', 'random'],
  roundTripMs: 80,
  trials: [won(RELAY, 400)],
};
const moved: PairResult = {
  pair: ['delta1', 'random'],
  roundTripMs: 80,
  trials: [{ ...won(RELAY, 250), last: { technique: 'simultaneous-open', direct: true }, movedMs: 480 }],
};
const failed: PairResult = {
  pair: ['public', 'random'],
  roundTripMs: 80,
  trials: [{ ok: false, reason: 'direct: a|b' }],
};
const shared: PairResult = {
  pair: ['same-lan'],
  roundTripMs: 0,
  trials: [won({ technique: 'direct', direct: true }, 3), { ok: false, reason: 'direct: timeout' }],
};

describe('The table', () => {
  it('has a row for each dialer, a column for each listener, and a list of what both share', () => {
    expect(renderTable(result(failed, direct, relayed, moved, shared)).split('\n')).toEqual([
      'From `connect$` to the first line at the other side: median of 2, 20 ms one way on each access line, so 80 ms there and back between two peers; delayed by tc netem.',
      '',
      'Each cell has the technique in the end, in italics when it is a relay, and how long the first line took, in parentheses in round trips. `→`: the connection began by another way, as a rule the relay, and so long after `connect$` its lines had moved.',
      '',
      '| dials ↓ listens → | random                                  | public              |',
      '| ----------------- | --------------------------------------- | ------------------- |',
      '| **public**        | ✗                                       |                     |',
      '| **random**        | _relay_ 400 ms (5.0)                    | direct 120 ms (1.5) |',
      '| **delta1**        | simultaneous-open 250 ms (3.1) → 480 ms |                     |',
      '',
      '| both behind  | result              |',
      '| ------------ | ------------------- |',
      '| **same-lan** | direct 3 ms (–) 1/2 |',
      '',
      '| first line by  | how often | round trips, median | nine of ten at most | least possible |',
      '| -------------- | --------- | ------------------- | ------------------- | -------------- |',
      '| direct         | 1         | 1.5                 | 1.5                 | 2.5            |',
      '| all but direct | 2         | 4.1                 | 5.0                 | –              |',
      '| relay          | 2         | 4.1                 | 5.0                 | 3.0            |',
      '',
      'Of 2 connections that began by a relay, 1 (50 %) moved to a direct path, after 480 ms in the median: 1 (50 %) within 2 s of `connect$`.',
      '',
      '✗ and shortfalls, by reason:',
      '',
      '| reason            | pairs | such as         |',
      '| ----------------- | ----- | --------------- |',
      '| `direct: a\\|b`    | 1     | public → random |',
      '| `direct: timeout` | 1     | same-lan        |',
    ]);
  });

  it('counts failures with the same reason together, whatever the endpoints were', () => {
    const late = (pair: string[], endpoint: string): PairResult => ({
      pair,
      roundTripMs: 80,
      trials: [{ ok: false, reason: `direct: ${endpoint} did not answer` }],
    });
    const table = renderTable(
      result(late(['public', 'random'], '45.45.13.2:44601'), late(['random', 'random'], '[2a45:46:0:15::12]:42147')),
    );
    expect(table).toContain('| `direct: it did not answer` | 2     | public → random, random → random |');
  });

  it('says what the lines did besides delaying', () => {
    const table = renderTable({ ...result(direct), jitterMs: 5, loss: 0.01, bandwidthMbit: 10 });
    expect(table).toContain('20 ms one way on each access line ± 5 ms, 1 % loss, 10 Mbit/s');
  });

  it('goes between the markers of a page and replaces what was there', () => {
    const page = `# Title\n\n${BEGIN}\n\nold\n\n${END}\n\nThe rest\n`;
    const once = insertTable(page, 'new');
    expect(once).toBe(`# Title\n\n${BEGIN}\n\nnew\n\n${END}\n\nThe rest\n`);
    expect(insertTable(once, 'new')).toBe(once);
  });

  it('is not put into a page without both markers in order', () => {
    for (const page of ['# Title', BEGIN, END, `${END} ${BEGIN}`]) {
      expect(() => insertTable(page, 'new'))
        .withContext(page)
        .toThrowError(/Expected the page to contain/);
    }
  });
});

describe('The line on a pair', () => {
  it('tells how and how fast, or why not', () => {
    expect(describePair(direct)).toBe('random → public: direct (direct), 120 ms, 1.5 round trips');
    expect(describePair(relayed)).toContain('relay (relayed)');
    expect(describePair(moved)).toBe(
      'delta1 → random: simultaneous-open (direct), 250 ms, 3.1 round trips, there after 480 ms',
    );
    expect(describePair(failed)).toBe('public → random: failed, direct: a|b');
    expect(describePair(shared)).toBe('same-lan: direct (direct), 3 ms, – round trips, 1 of 2 (direct: timeout)');
  });
});
