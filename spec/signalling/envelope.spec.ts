import fc from 'fast-check';
import { createIdentity } from '../../lib/identity.js';
import { sealingKeyOf } from '../../lib/signalling/sealing-key.js';
import { openEnvelope, sealEnvelope } from '../../lib/signalling/envelope.js';
import { seal } from '../../lib/signalling/hpke.js';

const [alice, bob] = [createIdentity(), createIdentity()];
const envelope = {
  to: bob.peerId,
  id: 'id',
  at: 1_700_000_000_000,
  keepMs: 5_000,
  kind: 'reverse-connect',
  body: { ports: [1, 2] },
};

/** Signs anything, and seals it to Bob. */
function sealAnything(json: string, label = 'rxp2p signal 1 ', identity = alice): Buffer {
  const signed = Buffer.concat([identity.sign(Buffer.from(label + json)), Buffer.from(json)]);
  const key = sealingKeyOf(bob.peerId) ?? new Uint8Array();
  return Buffer.concat([Buffer.from([2]), seal(key, Buffer.from('rxp2p sealed signal 1'), signed)]);
}

const json = JSON.stringify({ ...envelope, from: alice.peerId });

describe('an envelope', () => {
  it('gives back the signal, and who sent it', () => {
    expect(openEnvelope(bob, sealEnvelope(alice, envelope))).toEqual({ ...envelope, from: alice.peerId });
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.jsonValue()), (kind, body) => {
        const opened = openEnvelope(bob, sealEnvelope(alice, { ...envelope, kind, body }));
        const sent: unknown = JSON.parse(JSON.stringify({ ...envelope, kind, body, from: alice.peerId }));
        throwUnless<unknown>(opened).toEqual(sent);
      }),
      { numRuns: 30 },
    );
  });

  it('in which any bit was changed is none', () => {
    const sealed = sealEnvelope(alice, envelope);
    const damaged = Array.from(sealed.keys(), (at) =>
      Buffer.from(sealed.map((byte, index) => (index === at ? byte ^ 1 : byte))),
    );
    expect(damaged.filter((bytes) => openEnvelope(bob, bytes) !== undefined)).toEqual([]);
  });

  it('that somebody else signed is none', () => {
    expect(openEnvelope(bob, sealAnything(json))).toBeDefined();
    expect(openEnvelope(bob, sealAnything(json, undefined, bob))).toBeUndefined();
  });

  it('takes no signature that was made for another purpose', () => {
    expect(openEnvelope(bob, sealAnything(json, ''))).toBeUndefined();
  });

  it('can only be read by its receiver, who cannot forward it as its own', () => {
    const sealed = sealEnvelope(alice, envelope);
    expect(sealed.includes(alice.peerId) || sealed.includes('ports')).toBeFalse();
    expect(openEnvelope(alice, sealed)).toBeUndefined();
    expect(openEnvelope(bob, sealAnything(json.replace(bob.peerId, createIdentity().peerId)))).toBeUndefined();
  });

  it('of another version is none', () => {
    const sealed = sealEnvelope(alice, envelope);
    for (const version of [0, 1, 3]) {
      sealed.writeUInt8(version);
      expect(openEnvelope(bob, sealed)).withContext(`${version}`).toBeUndefined();
    }
  });

  it('is for peer ids alone', () => {
    expect(() => sealEnvelope(alice, { ...envelope, to: 'bob' })).toThrowError(/a peer id/);
  });

  it('that lacks a part, or has one of another kind, is none, whoever signed it', () => {
    const whole = { ...envelope, from: alice.peerId };
    expect(openEnvelope(bob, sealAnything(json))).toEqual(whole);
    for (const name of Object.keys(whole)) {
      for (const value of [undefined, null, [], true]) {
        const lacking = JSON.stringify({ ...whole, [name]: value });
        expect(openEnvelope(bob, sealAnything(lacking)))
          .withContext(lacking)
          .toBeUndefined();
      }
    }
    for (const text of ['', '[]', 'null', '{', '{}']) expect(openEnvelope(bob, sealAnything(text))).toBeUndefined();
  });

  it('has the place that its sender gave it, or none', () => {
    for (const order of [
      { stream: 's', sequence: 0 },
      { stream: 's', sequence: 7, after: 6 },
    ]) {
      expect(openEnvelope(bob, sealEnvelope(alice, { ...envelope, order }))?.order).toEqual(order);
    }
    expect(openEnvelope(bob, sealEnvelope(alice, envelope))?.order).toBeUndefined();
  });

  it('whose place is none, or whose names are too long to be remembered, is none, whoever signed it', () => {
    const bad = [
      null,
      [],
      'first',
      { stream: 's' },
      { stream: 1, sequence: 1 },
      { stream: 's', sequence: -1 },
      { stream: 's', sequence: 0.5 },
      { stream: 's', sequence: 2 ** 53 },
      { stream: 's', sequence: 1, after: 1 },
      { stream: 's', sequence: 1, after: null },
      { stream: 's'.repeat(65), sequence: 1 },
    ];
    for (const order of bad) {
      const text = JSON.stringify({ ...envelope, from: alice.peerId, order });
      expect(openEnvelope(bob, sealAnything(text)))
        .withContext(text)
        .toBeUndefined();
    }
    expect(openEnvelope(bob, sealEnvelope(alice, { ...envelope, id: 'i'.repeat(64) }))).toBeDefined();
    expect(openEnvelope(bob, sealEnvelope(alice, { ...envelope, id: 'i'.repeat(65) }))).toBeUndefined();
  });

  it('is not read from garbage, and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => openEnvelope(bob, Buffer.from(bytes)) === undefined),
    );
  });
});
