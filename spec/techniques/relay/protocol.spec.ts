import { assert, constantFrom, integer, json, property, record, string, uint8Array } from 'fast-check';
import { createIdentity } from '../../../lib/identity.js';
import {
  authorize,
  decodeJoin,
  decodeRefusal,
  encodeJoin,
  isAuthorized,
  isRelayToken,
  relayUrl,
} from '../../../lib/techniques/relay/protocol.js';
import { systemRuntime } from '../../../lib/runtime.js';
import { authorize as authorizeMailbox } from '../../../lib/signalling/carriers/mailbox-messages.js';

const [alice, bob] = [createIdentity(), createIdentity()];
const join = { from: alice.peerId, to: bob.peerId, token: systemRuntime.newId(), at: 1 };

/** Any object as the header would have it. */
function headerOf(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

describe('what nodes say to a relay', () => {
  it('is read as it was written', () => {
    const at = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    const token = uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url'));
    assert(
      property(record({ at, token }), (fields) => {
        expect(decodeJoin(encodeJoin({ ...join, ...fields }))).toEqual({ ...join, ...fields });
      }),
    );
  });

  it('is dropped when it is anything else', () => {
    const wrong: readonly unknown[] = [
      {},
      [],
      null,
      { ...join, from: undefined },
      { ...join, from: 'alice' },
      { ...join, to: Buffer.alloc(32).toString('base64url') },
      { ...join, to: alice.peerId },
      { ...join, token: 'short' },
      { ...join, token: `${join.token}A` },
      { ...join, token: 'AAAAAAAAAAAAAAAAAAAAAB' },
      { ...join, at: -1 },
      { ...join, at: 1.5 },
      { ...join, at: '1' },
    ];
    for (const value of wrong) {
      expect(decodeJoin(headerOf(value)))
        .withContext(JSON.stringify(value))
        .toBeUndefined();
    }
    expect(decodeJoin(headerOf({ ...join, padding: 'x'.repeat(512) }))).toBeUndefined();
    expect(decodeJoin(`${encodeJoin(join)}, ${encodeJoin(join)}`)).toBeUndefined();
    assert(
      property(string(), json(), (text, value) => {
        expect(decodeJoin(text)).toBeUndefined();
        expect(decodeJoin(Buffer.from(value).toString('base64url'))).toBeUndefined();
        expect(decodeRefusal(text)).toBeUndefined();
      }),
    );
  });

  it('has tokens of 128 bits, in the one spelling that each has', () => {
    expect(isRelayToken(systemRuntime.newId())).toBeTrue();
    for (const value of [
      '',
      'A'.repeat(21),
      'A'.repeat(23),
      `${'A'.repeat(21)}+`,
      `${'A'.repeat(21)}B`,
      1,
      undefined,
    ]) {
      expect(isRelayToken(value)).withContext(String(value)).toBeFalse();
    }
  });

  it('is signed for one host and one text, and for nothing else', () => {
    const header = encodeJoin(join);
    const authorization = authorize(alice, 'Relay.example:80', header);
    expect(isAuthorized(alice.peerId, 'relay.example:80', header, authorization)).toBeTrue();
    const other = encodeJoin({ ...join, at: 2 });
    expect(isAuthorized(alice.peerId, 'relay.example:80', other, authorization)).toBeFalse();
    expect(isAuthorized(alice.peerId, 'relay.example:81', header, authorization)).toBeFalse();
    expect(isAuthorized(bob.peerId, 'relay.example:80', header, authorization)).toBeFalse();
    // What was signed for a mailbox is of no use at a relay.
    const atMailbox = authorizeMailbox(alice, 'put', 'relay.example:80', header);
    expect(isAuthorized(alice.peerId, 'relay.example:80', header, atMailbox)).toBeFalse();
    assert(
      property(constantFrom('', 'rxp2p-ed25519 ', 'Basic '), string(), (scheme, text) => {
        expect(isAuthorized(alice.peerId, 'relay.example:80', header, scheme + text)).toBeFalse();
      }),
    );
    expect(isAuthorized(alice.peerId, 'relay.example:80', header, undefined)).toBeFalse();
  });

  it('goes below the server’s URL, which says nothing of who asks', () => {
    for (const [server, url] of [
      ['http://h:8080', 'http://h:8080/relay'],
      ['https://example.org/p2p/', 'https://example.org/p2p/relay'],
      ['https://example.org/p2p?x=1#y', 'https://example.org/p2p/relay'],
    ] as const) {
      expect(relayUrl(new URL(server)).href).toBe(url);
    }
  });

  it('is refused with a code, words and the time', () => {
    const refusal = { refused: 'clock', words: 'w', now: 5 } as const;
    expect(decodeRefusal(JSON.stringify(refusal))).toEqual(refusal);
    for (const value of [
      { ...refusal, refused: 'toString' },
      { ...refusal, now: -1 },
      { ...refusal, words: 1 },
    ]) {
      expect(decodeRefusal(JSON.stringify(value))).toBeUndefined();
    }
  });
});
