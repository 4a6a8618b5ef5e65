import fc from 'fast-check';

/** The code points that text can have: surrogates are none. */
const codePoint = fc.oneof(fc.nat(0xff), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }));

/** Any text, of all planes of Unicode: what fast-check makes of `binary` begins with a table of a million characters. */
export const anyText = (maxLength = 10): fc.Arbitrary<string> =>
  fc.array(codePoint, { maxLength }).map((codePoints) => String.fromCodePoint(...codePoints));
