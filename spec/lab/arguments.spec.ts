import {
  ALL_NETWORKS,
  allPairs,
  parseInteger,
  parseNetworks,
  parseNumber,
  parsePairs,
  splitCommand,
  toPair,
} from './arguments.js';

describe('The lab’s arguments', () => {
  it('are networks by name', () => {
    expect(parseNetworks('public,same-lan')).toEqual(['public', 'same-lan']);
    expect(() => parseNetworks('public,privat')).toThrowError(/^Expected a network, one of public, .*; got `privat`$/);
    expect(() => parseNetworks('toString')).toThrowError(/Expected a network/);
  });

  it('are pairs: two networks, or one that both hosts share', () => {
    expect(parsePairs('public:random,same-lan')).toEqual([['public', 'random'], ['same-lan']]);
    for (const wrong of ['public', 'public:random:cgnat', 'same-lan:public', 'hairpin:hairpin', '', 'public:']) {
      expect(() => parsePairs(wrong))
        .withContext(wrong)
        .toThrowError(/^Expected/);
    }
    expect(() => toPair([])).toThrowError(/^Expected/);
  });

  it('make every network dial every one, itself included', () => {
    expect(allPairs(['public', 'random', 'hairpin'])).toEqual([
      ['public', 'public'],
      ['random', 'random'],
      ['public', 'random'],
      ['random', 'public'],
      ['hairpin'],
    ]);
    expect(allPairs(ALL_NETWORKS).length).toBe(24 * 24 + 4);
  });

  it('are numbers within their limits', () => {
    expect(parseNumber('--loss', 0, 1)('0.25')).toBe(0.25);
    for (const wrong of ['1.1', '-1', 'many', '', ' ']) {
      expect(() => parseNumber('--loss', 0, 1)(wrong)).toThrowError(
        `Expected \`--loss\` to be a number from 0 to 1, got \`${wrong}\``,
      );
    }
    expect(parseInteger('--repeat', 1, 9)('3')).toBe(3);
    expect(() => parseInteger('--repeat', 1, 9)('1.5')).toThrowError('Expected `--repeat` to be an integer, got `1.5`');
  });

  it('end where the command to run begins', () => {
    expect(splitCommand(['shell', 'public', 'random', '--', 'ls', '--', '-l'])).toEqual({
      own: ['shell', 'public', 'random'],
      command: ['ls', '--', '-l'],
    });
    expect(splitCommand(['check'])).toEqual({ own: ['check'], command: [] });
    expect(splitCommand(['list', '--', 'foo'])).toEqual({ own: ['list', '--', 'foo'], command: [] });
  });
});
