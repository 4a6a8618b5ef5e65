import { createIdentity } from '../../lib/identity.js';
import { KIND, readMessage } from '../../lib/rooms/author/message.js';
import { isWellFormed } from '../../lib/rooms/contents.js';
import { signedBy } from './support.js';

describe('The contents of a message of a room', () => {
  const author = createIdentity();
  const isTaken = (kind: number, payload: Buffer) => isWellFormed(readMessage(signedBy(author, { kind, payload })));

  it('is a text of whole characters, or bytes', () => {
    expect(isTaken(KIND.text, Buffer.from('♞'))).toBeTrue();
    expect(isTaken(KIND.text, Buffer.of(0xff))).toBeFalse();
    expect(isTaken(KIND.bytes, Buffer.of(0xff))).toBeTrue();
  });

  it('that says who is there is short, since every member keeps one of each other', () => {
    for (const kind of [KIND.here, KIND.leave]) {
      expect(isTaken(kind, Buffer.alloc(64))).toBeTrue();
      expect(isTaken(kind, Buffer.alloc(65))).toBeFalse();
    }
  });

  it('of a newer version is as long as it likes', () => {
    expect(isTaken(9, Buffer.alloc(1_000))).toBeTrue();
  });
});
