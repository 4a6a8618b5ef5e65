import { cutText, Rate, sizeText, standingLines, standingText, timeText } from '../../lib/cli/files/text.js';

describe('What is shown of a transfer', () => {
  const standing = {
    path: 'a/b',
    files: 1,
    bytes: 1_000_000,
    ofFiles: 3,
    ofBytes: 4_000_000,
    rate: 500_000,
    way: 'direct',
  };

  it('has sizes and times for people', () => {
    const sizes = [0, 999, 1_000, 1_234, 99_949, 99_950, 999_499, 999_500, 1_234_567_890, 2 ** 60];
    expect(sizes.map(sizeText)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '1.2 kB',
      '99.9 kB',
      '100 kB',
      '999 kB',
      '1.0 MB',
      '1.2 GB',
      '1153 PB',
    ]);
    expect([0.4, 59, 60, 125, 3_600, 7_384].map(timeText)).toEqual([
      '0 s',
      '59 s',
      '1 min 0 s',
      '2 min 5 s',
      '1 h 0 min',
      '2 h 3 min',
    ]);
  });

  it('is how far it is, how fast, and how long it will take', () => {
    expect(standingText(standing)).toBe('1.0 MB of 4.0 MB, 1 of 3 files, 500 kB/s, 6 s left, direct');
    expect(standingText({ ...standing, ofFiles: 1, rate: 0, way: '' })).toBe('1.0 MB of 4.0 MB');
    const bar = '[######------------------] 25 %';
    expect(standingLines(standing, 200)).toBe(`a/b\n${bar}  ${standingText(standing)}`);
    expect(standingLines({ ...standing, ofBytes: 0, bytes: 0 }, 200)).toContain('100 %');
  });

  it('fits on the terminal, and has nothing that a terminal obeys', () => {
    const lines = standingLines({ ...standing, path: `\u001b[2J${'x'.repeat(100)}\u202e` }, 40).split('\n');
    expect(lines.map((line) => Array.from(line).length <= 39)).toEqual([true, true]);
    for (const forbidden of ['\u001b', '\u202e']) expect(lines.join('')).not.toContain(forbidden);
    expect(cutText('abcdef', 5)).toBe('…def');
    expect(cutText('abcd', 5)).toBe('abcd');
  });

  it('has the rate of the last seconds', () => {
    const rate = new Rate();
    expect(rate.perSecond).toBe(0);
    rate.add(0, 0);
    rate.add(1_000, 1_000);
    expect(rate.perSecond).toBe(1_000);
    for (let second = 2; second <= 20; second++) rate.add(second * 1_000, second * 5_000);
    expect(rate.perSecond).toBe(5_000);
  });
});
