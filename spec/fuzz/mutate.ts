import type { Chance } from './chance.js';

/** What protocols of text and bytes stumble over: ends, signs, nesting, extremes, controls, and halves of characters. */
const TOKENS: readonly Buffer[] = [
  ...[
    '\r\n',
    '\n',
    '\r',
    '\0',
    ' ',
    '  ',
    '\t',
    '%',
    '%00',
    '"',
    "'",
    '\\',
    '/',
    '..',
    ':',
    '[',
    ']',
    '{',
    '}',
    '<',
    '>',
    '&',
  ],
  ...[
    'null',
    'true',
    '[]',
    '{}',
    '""',
    '__proto__',
    'constructor',
    'NaN',
    'Infinity',
    '-0',
    '1e999',
    '<a/>',
    '<!DOCTYPE a>',
    '&lt;',
  ],
  ...[
    '0',
    '-1',
    '1',
    '255',
    '256',
    '65535',
    '65536',
    '4294967295',
    '4294967296',
    '9007199254740991',
    '9007199254740993',
  ],
  ...[
    '127.0.0.1',
    '0.0.0.0',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    'fe80::1%lo',
    '[::1]:1',
    '169.254.169.254',
  ],
  ...['\u001b]52;c;eA==\u0007', '\u001b[2J', '\u202e', '\ud83d\ude00', '\u2028'],
]
  .map((text) => Buffer.from(text))
  .concat([Buffer.of(0xff), Buffer.of(0xc0, 0x80), Buffer.of(0xed, 0xa0, 0x80), Buffer.of(0xff, 0xff, 0xff, 0xff)]);

/** No input is longer, in bytes: more than any limit of what strangers may send at once but a line. */
export const MAX_INPUT_BYTES = 65_536;

/** A repetition makes an input at most so long, in bytes: most inputs should be short, so that there are many of them. */
const REPEATED_BYTES = 512;

/** So many changes at once at most. */
const MAX_CHANGES = 6;

type Change = (input: Buffer, chance: Chance, others: readonly Buffer[]) => Buffer;

const CHANGES: readonly [Change, ...Change[]] = [
  function flipBit(input, chance) {
    const copy = Buffer.from(input);
    const at = chance.below(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << chance.below(8));
    return copy;
  },
  function setByte(input, chance) {
    const copy = Buffer.from(input);
    copy[chance.below(copy.length)] = chance.of([0, 1, 0x0a, 0x0d, 0x20, 0x7f, 0x80, 0xff] as const);
    return copy;
  },
  function insertToken(input, chance) {
    const at = chance.below(input.length + 1);
    return Buffer.concat([input.subarray(0, at), chance.of(TOKENS) ?? input, input.subarray(at)]);
  },
  function overwriteWithToken(input, chance) {
    const at = chance.below(input.length + 1);
    const token = chance.of(TOKENS) ?? input;
    return Buffer.concat([input.subarray(0, at), token, input.subarray(at + token.length)]);
  },
  function insertBytes(input, chance) {
    const at = chance.below(input.length + 1);
    const bytes = Buffer.from(Array.from({ length: 1 + chance.below(16) }, () => chance.below(256)));
    return Buffer.concat([input.subarray(0, at), bytes, input.subarray(at)]);
  },
  function cutOut(input, chance) {
    const from = chance.below(input.length + 1);
    return Buffer.concat([input.subarray(0, from), input.subarray(from + 1 + chance.below(16))]);
  },
  function cutOff(input, chance) {
    return input.subarray(0, chance.below(input.length + 1));
  },
  function repeatPiece(input, chance) {
    const from = chance.below(input.length + 1);
    const piece = input.subarray(from, from + 1 + chance.below(32));
    if (piece.length === 0) return input;
    const most = chance.below(50) === 0 ? MAX_INPUT_BYTES : REPEATED_BYTES;
    const times = 1 + chance.below(Math.max(1, Math.floor(most / piece.length)));
    const repeated = Buffer.alloc(piece.length * times, piece);
    return Buffer.concat([input.subarray(0, from), repeated, input.subarray(from + piece.length)]);
  },
  function joinWithAnother(input, chance, others) {
    const other = chance.of(others) ?? input;
    return Buffer.concat([
      input.subarray(0, chance.below(input.length + 1)),
      other.subarray(chance.below(other.length + 1)),
    ]);
  },
  function changeNumber(input, chance) {
    const text = input.toString('latin1');
    const numbers = [...text.matchAll(/\d{1,20}/g)];
    const number = chance.of(numbers);
    if (number === undefined) return input;
    const extreme = chance.of(['0', '-1', '1', '65535', '65536', '4294967296', '9007199254740993', '1e309'] as const);
    return Buffer.from(text.slice(0, number.index) + extreme + text.slice(number.index + number[0].length), 'latin1');
  },
];

/**
 * Makes an input of valid traffic: as it is now and then, mostly with a few changes. Pure but for chance.
 *
 * @param seeds valid traffic; one of them is changed, and pieces of the others may find their way in.
 */
export function mutated(seeds: readonly Buffer[], chance: Chance): Buffer {
  let input = chance.of(seeds) ?? Buffer.alloc(0);
  for (let left = chance.below(MAX_CHANGES + 1); left > 0; left--) input = chance.of(CHANGES)(input, chance, seeds);
  return input.subarray(0, MAX_INPUT_BYTES);
}
