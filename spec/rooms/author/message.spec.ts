import fc from 'fast-check';
import { ProtocolError } from '../../../lib/errors.js';
import { createIdentity, verifySignature } from '../../../lib/identity.js';
import {
  HEADER_BYTES,
  ID_BYTES,
  KIND,
  readMessage,
  signedPartOf,
  signMessage,
  streamOf,
} from '../../../lib/rooms/author/message.js';
import { signedBy, topicOf } from '../support.js';

describe('A message of a room', () => {
  const alice = createIdentity();
  const topic = topicOf('chess');

  it('is read as its author has signed it', () => {
    const message = {
      stream: fc
        .tuple(fc.nat(), fc.uint8Array({ minLength: 2, maxLength: 2 }))
        .map(([at, random]) => streamOf(at, random)),
      number: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      at: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      kind: fc.integer({ min: 0, max: 255 }),
      payload: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    };
    fc.assert(
      fc.property(fc.record(message), (fields) => {
        const bytes = signMessage(alice, topic, fields);
        if (fields.kind === KIND.here) {
          expect(() => readMessage(bytes)).toThrowError(ProtocolError, /of kind 2/);
          return;
        }
        const { signature, id, ...read } = readMessage(bytes);
        expect(read).toEqual({ ...fields, author: alice.peerId });
        expect(Buffer.from(id, 'base64url').length).toBe(ID_BYTES);
        expect(verifySignature(alice.peerId, signedPartOf(topic, bytes), signature)).toBeTrue();
      }),
      { numRuns: 50 },
    );
  });

  it('is not as signed once any byte of it is another, and in no other room', () => {
    const bytes = signedBy(alice);
    const { author, signature } = readMessage(bytes);
    expect(verifySignature(author, signedPartOf(topicOf('go'), bytes), signature)).toBeFalse();
    for (let at = 1; at < bytes.length; at++) {
      const other = Buffer.from(bytes);
      other[at] = (other[at] ?? 0) ^ 1;
      const read = readOrNone(other);
      const isGenuine = read !== undefined && verifySignature(read.author, signedPartOf(topic, other), read.signature);
      expect(isGenuine).withContext(`byte ${at}`).toBeFalse();
    }
  });

  it('has an id by its author, stream and number alone', () => {
    const idOf = (...rest: Parameters<typeof signedBy>) => readMessage(signedBy(...rest)).id;
    const id = idOf(alice);
    expect(idOf(alice, { payload: Buffer.from('1. d4'), at: 2_000 })).toBe(id);
    expect(idOf(alice, { number: 2 })).not.toBe(id);
    expect(idOf(alice, { stream: streamOf(1_000, Buffer.of(1, 3)) })).not.toBe(id);
    expect(idOf(createIdentity())).not.toBe(id);
  });

  it('is not read when it is short, of another format, without a number, or of a key that anybody can sign for', () => {
    const bytes = signedBy(alice);
    const cases = [
      bytes.subarray(0, HEADER_BYTES - 1),
      Buffer.concat([Buffer.of(2), bytes.subarray(1)]),
      signedBy(alice, { number: 0 }),
      Buffer.concat([bytes.subarray(0, 2), Buffer.alloc(32), bytes.subarray(34)]),
    ];
    for (const each of cases) expect(() => readMessage(each)).toThrowError(/^Expected/);
  });

  it('is of a later stream the later its run began', () => {
    expect(streamOf(2_000, Buffer.of(0, 0)) > streamOf(1_000, Buffer.of(255, 255))).toBeTrue();
    expect(streamOf(Date.now(), Buffer.of(1, 2))).toMatch(/^[0-9a-f]{12}0102$/);
  });

  function readOrNone(bytes: Buffer) {
    try {
      return readMessage(bytes);
    } catch {
      return undefined;
    }
  }
});
