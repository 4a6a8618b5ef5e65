import fc from 'fast-check';
import { createIdentity } from '../../lib/identity.js';
import { openEnvelope, sealEnvelope } from '../../lib/signalling/envelope.js';

const [alice, bob] = [createIdentity(), createIdentity()];
const envelope = { to: bob.peerId, id: 'id', at: 1_700_000_000_000, kind: 'reverse-connect', body: { ports: [1, 2] } };

/** Signs any JSON as the envelope of a signal. */
function sealAnything(json: string): Buffer {
  return Buffer.concat([alice.sign(Buffer.from(`rxp2p signal 1 ${json}`)), Buffer.from(json)]);
}

describe('an envelope', () => {
  it('gives back the signal, and who sent it', () => {
    expect(openEnvelope(sealEnvelope(alice, envelope))).toEqual({ ...envelope, from: alice.peerId });
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.jsonValue()), (kind, body) => {
        const opened = openEnvelope(sealEnvelope(alice, { ...envelope, kind, body }));
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
    expect(damaged.filter((bytes) => openEnvelope(bytes) !== undefined)).toEqual([]);
  });

  it('that somebody else signed is none', () => {
    const json = sealEnvelope(alice, envelope).subarray(64);
    const label = Buffer.from('rxp2p signal 1 ');
    const forged = Buffer.concat([bob.sign(Buffer.concat([label, json])), json]);
    expect(openEnvelope(forged)).toBeUndefined();
  });

  it('takes no signature that was made for another purpose', () => {
    const json = sealEnvelope(alice, envelope).subarray(64);
    expect(openEnvelope(Buffer.concat([alice.sign(json), json]))).toBeUndefined();
  });

  it('that lacks a part, or has one of another kind, is none, whoever signed it', () => {
    const whole = { ...envelope, from: alice.peerId };
    expect(openEnvelope(sealAnything(JSON.stringify(whole)))).toEqual(whole);
    for (const name of Object.keys(whole)) {
      for (const value of [undefined, null, [], true]) {
        const json = JSON.stringify({ ...whole, [name]: value });
        expect(openEnvelope(sealAnything(json)))
          .withContext(json)
          .toBeUndefined();
      }
    }
    for (const json of ['', '[]', 'null', '{', '{}']) expect(openEnvelope(sealAnything(json))).toBeUndefined();
  });

  it('out of garbage is none, and no exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => openEnvelope(Buffer.from(bytes)) === undefined),
    );
  });
});
