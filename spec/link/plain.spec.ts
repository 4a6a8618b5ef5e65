import { ProtocolError } from '../../lib/errors.js';
import { FRAME } from '../../lib/link/frames.js';
import { plainWire } from '../../lib/link/plain.js';
import { crumbs } from '../support/chunks.js';

const NONCE = 'a1'.repeat(32);

describe('the wire that PyP2P speaks', () => {
  it('carries bare bytes whose lines end in CRLF, and ends with its stream', () => {
    const wire = plainWire('none');
    const line = Buffer.from('Sup Bob.\r\n');
    expect(wire.encode(FRAME.data, line)).toEqual([line]);
    expect(wire.decode(line)).toEqual([{ type: FRAME.data, payload: line }]);
    expect([wire.lineEnd, wire.endsWithStream]).toEqual(['\r\n', true]);
  });

  it('has no way to carry anything but data', () => {
    const wire = plainWire('sends');
    for (const type of [FRAME.hello, FRAME.end, FRAME.ping, FRAME.pong]) {
      expect(wire.encode(type, Buffer.from('x'))).toEqual([]);
    }
  });

  it('begins in direct mode with 64 digits 0 from the side that dialled, once', () => {
    const wire = plainWire('sends');
    const payload = Buffer.from('x\r\n');
    expect(wire.encode(FRAME.data, payload)).toEqual([Buffer.from('0'.repeat(64)), payload]);
    expect(wire.encode(FRAME.data, payload)).toEqual([payload]);
  });

  it('drops the nonce from what the other side reads, however it was chunked', () => {
    const bytes = Buffer.from(`${NONCE}hi\r\n`);
    for (const chunks of [[bytes], crumbs(bytes), [bytes.subarray(0, 64), bytes.subarray(64)]]) {
      const wire = plainWire('expects');
      const frames = chunks.flatMap((chunk) => wire.decode(chunk));
      expect(frames.every(({ type }) => type === FRAME.data)).toBeTrue();
      expect(Buffer.concat(frames.map(({ payload }) => payload)).toString()).toBe('hi\r\n');
    }
  });

  it('refuses what is no nonce as soon as it is seen', () => {
    for (const text of ['GET / HTTP/1.1\r\n', `${NONCE.slice(1)}\n`, `${NONCE.slice(0, 10)}g`]) {
      expect(() => plainWire('expects').decode(Buffer.from(text)))
        .withContext(text)
        .toThrowError(ProtocolError, /64 hex digits/);
    }
  });
});
