import { posix, win32 } from 'node:path';
import fc from 'fast-check';
import { isInsideLink, keyOfPath, PathCheck, problemOfPath, type PathRules } from '../../lib/files/paths.js';
import type { OfferedEntry } from '../../lib/files/interface.js';

const LINUX: PathRules = { windows: false, foldsCase: false, foldsUnicode: false };
const WINDOWS: PathRules = { windows: true, foldsCase: true, foldsUnicode: false };
const MAC: PathRules = { windows: false, foldsCase: true, foldsUnicode: true };

/** Names as a hostile peer would choose them. */
const name = fc.oneof(
  fc.constantFrom(
    '..',
    '.',
    '',
    'a',
    'A',
    'NUL',
    'con.txt',
    'c:',
    'C:x',
    'x ',
    'x.',
    '~',
    'caf\u00e9',
    'cafe\u0301',
    '\ud800',
    'x'.repeat(256),
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const path = fc.oneof(
  fc.array(name, { maxLength: 6 }).map((names) => names.join('/')),
  fc.array(name, { maxLength: 6 }).map((names) => names.join('\\')),
  fc.string({ unit: 'binary', maxLength: 40 }),
);

describe('A path that a peer offers', () => {
  it('is never written outside of the folder, on any system', () => {
    fc.assert(
      fc.property(path, fc.constantFrom(LINUX, WINDOWS, MAC), (text, rules) => {
        if (problemOfPath(text, rules) !== undefined) return;
        expect(posix.join('/root', text).startsWith('/root/')).toBeTrue();
        expect(posix.resolve('/root', text)).toBe(`/root/${text}`);
        expect(win32.resolve('C:\\root', text).startsWith('C:\\root\\')).toBeTrue();
        expect(text).not.toMatch(/\p{Cc}/u);
        for (const each of text.split('/')) expect(Buffer.byteLength(each)).toBeLessThanOrEqual(255);
      }),
      { numRuns: 5_000 },
    );
  });

  it('is refused with the reason where it leads elsewhere, or cannot be a name', () => {
    const problems = [
      '../x',
      'a/../../x',
      '/etc/passwd',
      'C:\\x',
      'c:x',
      'a\\..\\..\\x',
      'a//b',
      'a/',
      '',
      '.',
      'a/./b',
      'a\0b',
    ];
    expect(problems.filter((text) => problemOfPath(text, LINUX) === undefined)).toEqual([]);
    expect(problemOfPath('x'.repeat(256), LINUX)).toContain('255 bytes');
    // In bytes, and not in characters.
    expect(problemOfPath('\u00e9'.repeat(128), LINUX)).toContain('255 bytes');
    expect(problemOfPath('a/'.repeat(2_048) + 'a', LINUX)).toContain('4096 bytes');
    expect(problemOfPath('\u001b[2J', LINUX)).toContain('control characters');
    expect(problemOfPath('\udc00', LINUX)).toContain('Unicode');
  });

  it('may be any other name, also one that only Windows forbids', () => {
    const names = [
      'x'.repeat(255),
      '12:30.log',
      'aux.c',
      'x.',
      ' ',
      '...',
      '-rf',
      '~',
      '$HOME',
      '\u{1f47b}',
      'caf\u00e9',
      'ab:c/d',
    ];
    expect(names.filter((text) => problemOfPath(text, LINUX) !== undefined)).toEqual([]);
  });

  it('is no device, no stream and no name that is cut off, on Windows', () => {
    const names = [
      'NUL',
      'nul.txt',
      'a/Con',
      'COM1',
      'com\u00b2.log',
      'LPT9 .x',
      'CONIN$',
      'x.',
      'x ',
      '12:30',
      'a*',
      'a?',
      'a|b',
      '"',
      '<',
      '>',
    ];
    expect(names.filter((text) => problemOfPath(text, WINDOWS) === undefined)).toEqual([]);
    expect(['console', 'com', 'com10', 'nulla', 'x.y'].filter((text) => problemOfPath(text, WINDOWS))).toEqual([]);
  });

  it('is not in the folder where the receiver keeps what is not whole', () => {
    for (const text of ['.rxp2p-partial', '.RXP2P-Partial/x', 'a/.rxp2p-partial', 'a/.rxp2p-Partial/x'])
      expect(problemOfPath(text, LINUX)).toContain('not whole');
    expect(problemOfPath('a/.rxp2p-partials', LINUX)).toBeUndefined();
  });
});

describe('Names that a file system takes for one', () => {
  it('have one key where it folds case, or Unicode', () => {
    expect(keyOfPath('Makefile', LINUX)).not.toBe(keyOfPath('makefile', LINUX));
    expect(keyOfPath('Makefile', WINDOWS)).toBe(keyOfPath('makefile', WINDOWS));
    expect(keyOfPath('caf\u00e9', LINUX)).not.toBe(keyOfPath('cafe\u0301', LINUX));
    expect(keyOfPath('CAF\u00c9', MAC)).toBe(keyOfPath('cafe\u0301', MAC));
    expect(keyOfPath('STRASSE', MAC)).toBe(keyOfPath('stra\u00dfe', MAC));
    expect(keyOfPath('STRA\u1e9eE', MAC)).toBe(keyOfPath('stra\u00dfe', MAC));
  });

  it('have one key for each letter of Unicode, in upper and in lower case, with any marks', () => {
    const marks = ['', '\u0301', '\u0307', '\u0345', '\u0308\u0301', '\u0313\u0342\u0345', '\u0328'];
    const wrong: string[] = [];
    for (let code = 0; code < 0x110000; code++) {
      const letter = code >= 0xd800 && code < 0xe000 ? '' : String.fromCodePoint(code);
      if (letter.toLowerCase() === letter && letter.toUpperCase() === letter) continue;
      for (const mark of marks) {
        const text = (letter + mark).normalize('NFD');
        const key = keyOfPath(letter + mark, MAC);
        const others = [text, text.normalize('NFC'), text.toUpperCase(), text.toLowerCase(), key];
        if (others.some((other) => keyOfPath(other, MAC) !== key)) wrong.push(code.toString(16));
      }
    }
    expect(wrong).toEqual([]);
  });

  it('have one key whatever is folded first', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const key = keyOfPath(text, MAC);
        expect(keyOfPath(text.normalize('NFD'), MAC)).toBe(key);
        expect(keyOfPath(key, MAC)).toBe(key);
      }),
    );
  });
});

describe('A link that a peer offers', () => {
  it('never leads out of what is sent, whatever other links there are', () => {
    const target = fc
      .array(fc.constantFrom('..', '.', '', 'a', 'b', 'link'), { maxLength: 6 })
      .map((names) => names.join('/'));
    const place = fc
      .array(fc.constantFrom('a', 'b'), { maxLength: 3 })
      .map((names) => ['top', ...names, 'link'].join('/'));
    fc.assert(
      fc.property(place, target, (from, to) => {
        if (!isInsideLink(from, to)) return;
        // Going down leads to another link at worst, which has to be inside, too.
        const names = to.split('/').filter((each) => each !== '' && each !== '.');
        const ups = names.filter((each) => each === '..').length;
        expect(names.slice(0, ups).every((each) => each === '..')).toBeTrue();
        expect(posix.join('/', posix.dirname(from), to).startsWith('/top')).toBeTrue();
      }),
      { numRuns: 2_000 },
    );
  });

  it('may go up first, and then down', () => {
    expect(isInsideLink('top/a/link', '../b/c')).toBeTrue();
    expect(isInsideLink('top/link', 'a/b')).toBeTrue();
    const wrong = ['/etc', '../x', 'a/../../x', 'a/..', '', 'C:\\x', '..\\x', 'a\0'];
    expect(wrong.filter((to) => isInsideLink('top/link', to))).toEqual([]);
    expect(isInsideLink('link', 'secret')).toBeFalse();
  });
});

describe('The entries of an offer', () => {
  type Entry = Pick<OfferedEntry, 'path' | 'kind' | 'target'>;
  const file = (at: string): Entry => ({ path: at, kind: 'file' });
  const folder = (at: string): Entry => ({ path: at, kind: 'folder' });
  const check = (rules: PathRules, ...entries: readonly Entry[]) => {
    const checking = new PathCheck(rules);
    return entries.map((entry) => checking.add(entry)).at(-1);
  };

  it('have a folder before what is in it, and nothing in a file or a link', () => {
    expect(check(LINUX, folder('a'), file('a/b'))).toBeUndefined();
    expect(check(LINUX, file('a/b'))).toContain('folder');
    expect(check(LINUX, file('a'), file('a/b'))).toContain('folder');
    const link: Entry = { path: 't/l', kind: 'link', target: 'a' };
    expect(check(LINUX, folder('t'), link, file('t/l/x'))).toContain('folder');
  });

  it('are each another file to the file system', () => {
    expect(check(LINUX, file('a'), file('a'))).toContain('same name');
    expect(check(LINUX, file('a'), file('A'))).toBeUndefined();
    expect(check(WINDOWS, file('a'), file('A'))).toContain('same name');
    expect(check(MAC, folder('caf\u00e9'), file('CAFE\u0301'))).toContain('same name');
    // A link, and a folder that would be the same to this file system.
    const link: Entry = { path: 't/A', kind: 'link', target: 'b' };
    expect(check(MAC, folder('t'), link, folder('t/a'))).toContain('same name');
  });
});
