import fc from 'fast-check';
import { MessageTooLongError } from '../../lib/errors.js';
import { messageDecoder } from '../../lib/link/messages.js';
import { crumbs, cut, places } from '../support/chunks.js';
import { encodeLength } from '../support/messages.js';

const NO_LIMIT = 1_048_576;

const encode = (messages: readonly Uint8Array[]) =>
  Buffer.concat(messages.flatMap((message) => [encodeLength(message.length), message]));

/** All that a decoder makes of chunks. */
function decode(chunks: readonly Buffer[], maxLength = NO_LIMIT) {
  const decoder = messageDecoder(maxLength);
  const messages = chunks.flatMap((chunk) => decoder.push(chunk));
  return { messages: [...messages, ...decoder.end()].map((message) => message.toString('hex')), fault: decoder.fault };
}

const hex = (messages: readonly Uint8Array[]) => messages.map((message) => Buffer.from(message).toString('hex'));

describe('messages', () => {
  it('arrive as they were sent, however the bytes were chunked on their way', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), places, (sent, where) => {
        throwUnless(decode(cut(encode(sent), where))).toEqual({ messages: hex(sent), fault: undefined });
      }),
    );
  });

  it('arrive byte by byte, too', () => {
    const sent = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(300, 7), Buffer.from('x')];
    expect(decode(crumbs(encode(sent)))).toEqual({ messages: hex(sent), fault: undefined });
  });

  it('that are too long are a fault as soon as their length is known, and those before them are not lost', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 8 })), places, (sent, where) => {
        const { messages, fault } = decode(cut(Buffer.concat([encode(sent), encodeLength(9)]), where), 8);
        throwUnless(messages).toEqual(hex(sent));
        throwUnless(fault).toBeInstanceOf(MessageTooLongError);
      }),
    );
  });

  it('that are not whole at the end are none', () => {
    expect(decode([encode([Buffer.from('whole'), Buffer.from('cut off')]).subarray(0, -1)])).toEqual({
      messages: hex([Buffer.from('whole')]),
      fault: undefined,
    });
  });

  it('that are short do not keep a large buffer in memory', () => {
    const chunk = Buffer.alloc(1_048_576);
    encode([Buffer.from('short')]).copy(chunk);
    const [message] = messageDecoder(NO_LIMIT).push(chunk);
    expect(message?.toString()).toBe('short');
    expect(message?.buffer.byteLength).toBeLessThan(1_024);
  });
});
