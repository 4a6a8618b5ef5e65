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

  it('by which a member leaves is short, since every member keeps one of each other', () => {
    expect(isTaken(KIND.leave, Buffer.alloc(64))).toBeTrue();
    expect(isTaken(KIND.leave, Buffer.alloc(65))).toBeFalse();
  });

  it('of a newer version is as long as it likes', () => {
    expect(isTaken(9, Buffer.alloc(1_000))).toBeTrue();
  });
});
