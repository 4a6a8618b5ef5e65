import fc from 'fast-check';
import { encodeStun, decodeStun, type StunAttribute, type StunClass, xorAddress } from '../../lib/stun/messages.js';
import {
  allocatedIn,
  allocation,
  challengeIn,
  connectionAttemptIn,
  connectionId,
  connectionIdIn,
  credentialsOf,
  lifetime,
  lifetimeIn,
  peerAddress,
  peerEndpoint,
  TURN_METHOD,
} from '../../lib/stun/turn.js';
import { addresses, ports } from '../support/locators.js';

const TRANSACTION = Buffer.from('0102030405060708090a0b0c', 'hex');
const [PEER_ADDRESS, RELAYED_ADDRESS] = [0x0012, 0x0016];

/** A message as it comes out of the wire. */
function message(
  attributes: readonly StunAttribute[],
  kind: StunClass = 'success',
  method: number = TURN_METHOD.allocate,
) {
  const read = decodeStun(encodeStun({ method, class: kind, transaction: TRANSACTION, attributes }));
  if (read === undefined) throw new Error('Expected a message');
  return read;
}

const hex = (attributes: readonly StunAttribute[]) =>
  encodeStun({ method: 0, class: 'request', transaction: TRANSACTION, attributes }).subarray(20).toString('hex');

describe('what TURN has beside STUN', () => {
  it('is written as RFC 8656 §18 and RFC 6062 §6 lay it out', () => {
    expect(hex(allocation(4))).toBe('0019000406000000');
    expect(hex(allocation(6))).toBe('00190004060000000017000402000000');
    expect(hex([lifetime(600)])).toBe('000d000400000258');
    expect(hex([connectionId(Buffer.of(1, 2, 3, 4))])).toBe('002a000401020304');
    // Port 0 and 192.0.2.1, masked.
    expect(hex([peerAddress('192.0.2.1', TRANSACTION)])).toBe('001200080001' + '2112' + 'e112a643');
    // Port 32853, masked.
    expect(hex([peerEndpoint({ address: '192.0.2.1', port: 32_853 }, TRANSACTION)])).toBe(
      '001200080001' + 'a147' + 'e112a643',
    );
    expect(TURN_METHOD).toEqual(
      jasmine.objectContaining({ connect: 0x00a, connectionBind: 0x00b, connectionAttempt: 0x00c }),
    );
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(addresses, ports, fc.nat({ max: 0xffffffff }), (address, port, seconds) => {
        const relayed = { type: RELAYED_ADDRESS, value: xorAddress({ address, port }, TRANSACTION) };
        expect(allocatedIn(message([relayed, lifetime(seconds)]))).toEqual({ relayed: { address, port }, seconds });
        expect(allocatedIn(message([relayed]))).toBeUndefined();
        expect(lifetimeIn(message([lifetime(seconds)]))).toBe(seconds);
      }),
    );
  });

  it('is a challenge with a realm and a nonce, which come back with the name', () => {
    const challenge = { realm: Buffer.from('example.org'), nonce: Buffer.from('f//499k954d6') };
    const signed = credentialsOf({ username: 'alice', ...challenge });
    expect(challengeIn(message(signed, 'error'))).toEqual(challenge);
    expect(challengeIn(message(signed.slice(0, 2), 'error'))).toBeUndefined();
    expect(signed.map(({ type }) => type)).toEqual([0x0006, 0x0014, 0x0015]);
  });

  it('is the connection of a peer in an indication alone', () => {
    const id = connectionId(Buffer.of(1, 2, 3, 4));
    const peer = { address: '45.45.1.1', port: 40_000 };
    const from = { type: PEER_ADDRESS, value: xorAddress(peer, TRANSACTION) };
    const { connectionAttempt } = TURN_METHOD;
    const told = { id: Buffer.of(1, 2, 3, 4), peer };
    expect(connectionAttemptIn(message([id, from], 'indication', connectionAttempt))).toEqual(told);
    expect(connectionAttemptIn(message([id, from], 'request', connectionAttempt))).toBeUndefined();
    expect(connectionAttemptIn(message([id, from], 'indication', TURN_METHOD.refresh))).toBeUndefined();
    for (const attributes of [[connectionId(Buffer.of(1)), from], [id], [id, { ...from, value: Buffer.of(1) }], []])
      expect(connectionAttemptIn(message(attributes, 'indication', connectionAttempt))).toBeUndefined();
  });

  it('is the connection that the server has made, in its answer', () => {
    const { connect } = TURN_METHOD;
    const answerWith = (...ids: Buffer[]) => connectionIdIn(message(ids.map(connectionId), 'success', connect));
    expect(answerWith(Buffer.of(1, 2, 3, 4))).toEqual(Buffer.of(1, 2, 3, 4));
    expect(answerWith()).toBeUndefined();
    expect(answerWith(Buffer.alloc(0))).toBeUndefined();
    expect(answerWith(Buffer.alloc(5))).toBeUndefined();
  });
});
