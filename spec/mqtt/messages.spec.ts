import { createIdentity } from '../../lib/identity.js';
import {
  decodeParcel,
  decodeReceipt,
  digestOf,
  encodeParcel,
  encodeReceipt,
  inboxOf,
  isReceiptOf,
  sessionNames,
  topicOf,
} from '../../lib/mqtt/messages.js';
import { PARCEL_MAX_BYTES } from '../../lib/parcel.js';

describe('What nodes say through a broker', () => {
  const [alice, bob] = [createIdentity(), createIdentity()];
  const { receipts } = sessionNames(alice, 'mqtts://broker.example');

  it('has parcels, with the topic for the receipt, and receipts that only the receiver can sign', () => {
    const message = encodeParcel(Buffer.from('parcel'), receipts);
    expect(decodeParcel(message)).toEqual({ parcel: Buffer.from('parcel'), receipts });
    const receipt = decodeReceipt(encodeReceipt(bob, message));
    expect(receipt?.digest).toBe(digestOf(message));
    expect(receipt && isReceiptOf(bob.peerId, receipt)).toBeTrue();
    expect(receipt && isReceiptOf(alice.peerId, receipt)).toBeFalse();
    const other = { digest: digestOf(Buffer.from('other')), signature: receipt?.signature ?? Buffer.alloc(64) };
    expect(isReceiptOf(bob.peerId, other)).toBeFalse();
  });

  it('is nothing else', () => {
    const message = encodeParcel(Buffer.from('parcel'), receipts);
    for (const wrong of [
      Buffer.alloc(0),
      message.subarray(0, 17),
      Buffer.concat([Buffer.of(3), message.subarray(1)]),
      encodeReceipt(bob, message),
      encodeParcel(Buffer.alloc(PARCEL_MAX_BYTES + 1), receipts),
    ]) {
      expect(decodeParcel(wrong)).toBeUndefined();
    }
    for (const wrong of [Buffer.alloc(0), message, encodeReceipt(bob, message).subarray(1), Buffer.alloc(98, 2)]) {
      expect(decodeReceipt(wrong)).toBeUndefined();
    }
  });

  it('goes by topics without wildcards, one for each peer', () => {
    expect(inboxOf(alice.peerId)).toMatch(/^rxp2p\/1\/[\w-]{22}$/);
    expect(inboxOf(alice.peerId)).not.toBe(inboxOf(bob.peerId));
    expect(inboxOf('nobody')).toBeUndefined();
  });

  it('names a session by what only its node can know, the same each time and another at each broker', () => {
    const names = sessionNames(alice, 'mqtts://broker.example');
    expect(names.clientId).toMatch(/^[0-9a-f]{22}$/);
    expect(sessionNames(alice, 'mqtts://broker.example')).toEqual(names);
    for (const others of [sessionNames(alice, 'mqtts://other.example'), sessionNames(bob, 'mqtts://broker.example')]) {
      expect(others.clientId).not.toBe(names.clientId);
      expect(others.receipts).not.toEqual(names.receipts);
    }
    expect(topicOf(names.receipts)).not.toBe(inboxOf(alice.peerId) ?? '');
  });
});
