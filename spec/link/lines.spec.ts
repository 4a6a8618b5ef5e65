import fc from 'fast-check';
import { InvalidTextError, LineTooLongError, ProtocolError } from '../../lib/errors.js';
import { expectLine, lineDecoder } from '../../lib/link/lines.js';
import { crumbs, cut, places } from '../support/chunks.js';
import { callWith } from '../support/thrown.js';

const NO_LIMIT = 1_048_576;

/** All that a decoder makes of chunks. */
function decode(chunks: readonly (Buffer | string)[], maxLength = NO_LIMIT) {
  const decoder = lineDecoder(maxLength);
  const lines = chunks.flatMap((chunk) => decoder.push(Buffer.from(chunk)));
  return { lines: [...lines, ...decoder.end()], fault: decoder.fault };
}

/** Texts that can travel as one line. */
const texts = fc
  .string({
    unit: fc.oneof(fc.constantFrom('é', '€', '😀', '\r', '\0', ' '), fc.string({ minLength: 1, maxLength: 1 })),
    maxLength: 20,
  })
  .map((text) => text.replaceAll('\n', '').replace(/\r+$/, ''));

describe('lines', () => {
  it('are cut at each newline, the carriage returns before it dropped', () => {
    expect(decode(['one\r\ntwo\n\n\r\nth\rree\r\r\n']).lines).toEqual(['one', 'two', '', '', 'th\rree']);
  });

  it('arrive as they were sent, however the bytes were chunked on their way', () => {
    fc.assert(
      fc.property(fc.array(texts), fc.constantFrom('\n', '\r\n'), places, (sent, lineEnd, where) => {
        const bytes = Buffer.from(sent.map((text) => text + lineEnd).join(''));
        throwUnless(decode(cut(bytes, where))).toEqual({ lines: sent, fault: undefined });
      }),
    );
  });

  it('keep a character that is cut in its middle', () => {
    expect(decode(crumbs(Buffer.from('é€😀\r\né\n'))).lines).toEqual(['é€😀', 'é']);
  });

  it('keep a byte order mark, which is a character like any other here', () => {
    expect(decode(['\uFEFFa\n', '\uFEFFé\n']).lines).toEqual(['\uFEFFa', '\uFEFFé']);
  });

  it('come as soon as their newline does, and the last one, without, at the end', () => {
    const decoder = lineDecoder(NO_LIMIT);
    expect(decoder.push(Buffer.from('one\ntw'))).toEqual(['one']);
    expect(decoder.push(Buffer.from('o\r'))).toEqual([]);
    expect(decoder.end()).toEqual(['two']);
    expect(decoder.end()).toEqual([]);
  });

  it('survive being sent in a hundred thousand crumbs', () => {
    const text = 'a'.repeat(100_000);
    expect(decode(crumbs(Buffer.from(`${text}\n`))).lines).toEqual([text]);
  });

  it('that are too long or no UTF-8 are a fault, and those before them are not lost, however the bytes were chunked', () => {
    const bits = fc
      .constantFrom('\n', '\n', '\r\n', '\r\r\r', 'a', 'bb', 'é', '\xff')
      .map((bit) => Buffer.from(bit, bit === '\xff' ? 'latin1' : 'utf8'));
    fc.assert(
      fc.property(fc.array(bits, { maxLength: 30 }), places, (parts, where) => {
        const bytes = Buffer.concat(parts);
        const whole = decode([bytes], 5);
        const chunked = decode(cut(bytes, where), 5);
        throwUnless(chunked.lines).toEqual(whole.lines);
        throwUnless(chunked.fault === undefined).toBe(whole.fault === undefined);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a line of the greatest length', () => {
  it('is measured in bytes, without its end', () => {
    expect(decode(['é€\r\n'], 5)).toEqual({ lines: ['é€'], fault: undefined });
    expect(decode(crumbs(Buffer.from('é€\r\nabcde\n')), 5)).toEqual({ lines: ['é€', 'abcde'], fault: undefined });
    expect(decode(['abcde'], 5).lines).toEqual(['abcde']);
  });

  it('may be followed by no byte more, and the lines before it still come', () => {
    for (const chunks of [['ok\nabcdef\nlater\n'], ['ok\nabc', 'def\nlater\n'], ['ok\nabcdef'], ['ok\n', 'é€a\n']]) {
      const { lines, fault } = decode(chunks, 5);
      expect(lines).toEqual(['ok']);
      expect(fault).toEqual(new LineTooLongError(5));
    }
  });

  it('is noticed before it is complete, so that nothing grows', () => {
    const decoder = lineDecoder(5);
    decoder.push(Buffer.from('abcdef'));
    decoder.push(Buffer.from('g'));
    expect(decoder.fault).toBeInstanceOf(LineTooLongError);
    expect(decoder.push(Buffer.from('\nok\n'))).toEqual([]);
  });
});

describe('bytes that are no UTF-8', () => {
  for (const [what, bytes] of [
    ['a byte that never occurs', [0xff]],
    ['a character that lacks its end', [0xe2, 0x82]],
    ['half of a surrogate pair', [0xed, 0xa0, 0x80]],
    ['an overlong newline', [0xc0, 0x8a]],
  ] as const) {
    it(`are a fault and no replacement characters: ${what}`, () => {
      for (const end of [[0x0a], []]) {
        const { lines, fault } = decode(['ok\n', Buffer.from([...bytes, ...end])]);
        expect(lines).toEqual(['ok']);
        expect(fault).toBeInstanceOf(ProtocolError);
      }
    });
  }
});

describe('a text to be sent', () => {
  it('is fine when it arrives as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
        let isAccepted = true;
        try {
          expectLine(text, 20);
        } catch (error) {
          throwUnless(error).toBeInstanceOf(InvalidTextError);
          isAccepted = false;
        }
        const { lines, fault } = decode([`${text}\n`], 20);
        throwUnless(isAccepted).toBe(fault === undefined && lines.length === 1 && lines[0] === text);
      }),
    );
  });

  for (const [what, text, message] of [
    ['a line break', 'a\nb', /one line without its line break/],
    ['a carriage return at its end', 'a\r', /one line without its line break/],
    ['half of a surrogate pair', 'a\ud83d', /well-formed Unicode/],
    ['a byte too many', 'é€é', /at most 6 bytes, got 7/],
  ] as const) {
    it(`is refused with ${what}`, () => {
      expect(() => {
        expectLine(text, 6);
      }).toThrowError(InvalidTextError, message);
    });
  }

  it('is refused when it is no text', () => {
    for (const value of [undefined, 1, null, Buffer.from('a')]) {
      expect(() => callWith(expectLine, value, 10)).toThrowError(InvalidTextError, /Expected a text/);
    }
  });
});
