import fc from 'fast-check';
import { InvalidOptionError } from '../../lib/index.js';
import { completeCode, formatCode, newCode, parseCode } from '../../lib/pairing/code.js';
import { CODE_WORDS } from '../../lib/pairing/word-list.js';

/** How many letters have to be changed, added or left out to make one word of the other (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [i, letter] of one.split('').entries()) {
    const next = [i + 1];
    for (const [j, another] of other.split('').entries()) {
      const changed = (row[j] ?? 0) + (letter === another ? 0 : 1);
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, changed));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

describe('The words of codes', () => {
  it('are 256, known by their first three letters, and not alike', () => {
    expect(CODE_WORDS.length).toBe(256);
    expect(new Set(CODE_WORDS.map((word) => word.slice(0, 3))).size).toBe(256);
    expect(CODE_WORDS.filter((word) => !/^[a-z]{4,8}$/.test(word))).toEqual([]);
    expect(CODE_WORDS).toEqual(CODE_WORDS.toSorted());
    const alike = CODE_WORDS.flatMap((one, index) =>
      CODE_WORDS.slice(index + 1)
        .filter((other) => distance(one, other) < 3)
        .map((other) => [one, other]),
    );
    expect(alike).toEqual([]);
  });
});

describe('A code', () => {
  it('has a number and two words, each as likely as any other', () => {
    const given = [255, 0];
    const asked: number[] = [];
    const code = newCode(7, 2, (below) => {
      asked.push(below);
      return given[asked.length - 1] ?? 0;
    });
    expect(formatCode(code)).toBe(`7-${String(CODE_WORDS.at(-1))}-${String(CODE_WORDS[0])}`);
    expect(asked).toEqual([256, 256]);
    const words = new Set(Array.from({ length: 50 }, () => formatCode(newCode(1))));
    expect(words.size).toBeGreaterThan(40);
  });

  it('is read as it was written, and as people type it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999 }), (slot) => {
        const code = newCode(slot);
        expect(parseCode(formatCode(code))).toEqual(code);
      }),
    );
    const otter = { slot: 7, words: ['otter', 'violet'] };
    for (const typed of ['7-otter-violet', ' 7 Otter  VIOLET\n', '7-ott-vio', '7--otte - viole-']) {
      expect(parseCode(typed)).withContext(typed).toEqual(otter);
    }
  });

  it('that is none is refused, with the words that may be meant, and without the others', () => {
    const messageOf = (typed: string) => {
      try {
        parseCode(typed);
      } catch (error) {
        if (error instanceof InvalidOptionError) return error.message;
      }
      return undefined;
    };
    for (const typed of [
      '',
      '7',
      '7-otter',
      'otter-violet',
      '-7-otter-violet-violet-violet-violet',
      '1234567-otter-violet',
    ]) {
      expect(messageOf(typed)).withContext(typed).toContain('a code such as 7-otter-violet');
    }
    expect(messageOf('7-oter-violet')).toContain('got `oter`: otter?');
    expect(messageOf('7-oter-violet')).not.toContain('violet');
    expect(messageOf('7-ot-violet')).toContain('got `ot`');
    expect(messageOf('7-otters-violet')).toContain('got `otters`: otter?');
    expect(messageOf('7-qqqq-violet')).toBe('Expected a word of codes, got `qqqq`');
    expect(messageOf(`7-${'x'.repeat(1_000_000)}-violet`)?.length).toBeLessThan(100);
  });

  it('is completed word by word', () => {
    expect(completeCode('7-ott')).toEqual(['7-otter']);
    expect(completeCode('7-otter-vi')).toEqual(
      CODE_WORDS.filter((word) => word.startsWith('vi')).map((word) => `7-otter-${word}`),
    );
    expect(completeCode('7-').length).toBe(256);
    expect([completeCode('7'), completeCode(''), completeCode('otter-'), completeCode('7-1')]).toEqual([
      [],
      [],
      [],
      [],
    ]);
  });
});
