import { parseBroker } from '../../lib/broker-name.js';
import { parseRendezvous, type RendezvousAddress } from '../../lib/rendezvous-name.js';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { addressFromBytes, canonicalAddress } from '../../lib/endpoint.js';
import { isKey, peerIdOfKey } from '../../lib/identity.js';
import type { UnlV2 } from '../../lib/pyp2p/wire/unl-version-2.js';
import type { NatType, UnlEndpoint, UnlExtension, UnlV3 } from '../../lib/unl/types.js';
import { encodeVersion3 } from '../../lib/unl/version-3.js';
import { UNL_MAX_LENGTH } from '../../lib/unl.js';

/** A peer id that is the same in every run: 32 bytes of one value. */
export function peerIdOf(byte: number): string {
  return Buffer.alloc(32, byte).toString('base64url');
}

/** A locator of version 3 with the least in it, and whatever a spec adds. */
export function unlOf(fields: Partial<UnlV3> = {}): UnlV3 {
  return {
    version: 3,
    peerId: peerIdOf(7),
    nodeType: 'passive',
    natType: { type: 'unknown' },
    endpoints: [],
    rendezvous: [],
    mailboxes: [],
    dht: [],
    mqtt: [],
    extensions: [],
    ...fields,
  };
}

/** A locator of version 2, and whatever a spec changes. */
export function unlOfVersion2(fields: Partial<UnlV2> = {}): UnlV2 {
  return {
    version: 2,
    nodeId: '00112233445566778899aabbccddeeff00112233',
    nodeType: 'passive',
    natType: 'unknown',
    forwarding: 'forwarded',
    port: 50500,
    wan: '198.51.100.7',
    lan: '192.168.1.7',
    ...fields,
  };
}

/** A field of a version 3 locator as it is written. */
export type RawField = readonly [tag: number, value: Uint8Array];

/** The fields that every version 3 locator has. */
export const REQUIRED_FIELDS: readonly RawField[] = [
  [1, Buffer.alloc(32, 7)],
  [2, Buffer.of(0)],
  [3, Buffer.of(0)],
];

/** Writes a version 3 locator field by field, with a checksum that is right whatever the fields are. */
export function sealVersion3(fields: readonly RawField[]): string {
  return sealBody(Buffer.concat(fields.map(([tag, value]) => Buffer.of(tag, value.length, ...value))));
}

/** Writes a version 3 locator of any bytes behind the version, with a checksum that is right. */
export function sealBody(body: Uint8Array): string {
  const record = Buffer.concat([Buffer.of(3), body]);
  return Buffer.concat([record, sha256(record).subarray(0, 4)]).toString('base64url');
}

/** Writes a version 2 locator of any 33 bytes behind the version, with a checksum that is right. */
export function sealVersion2(body: Uint8Array): string {
  const record = Buffer.concat([Buffer.of(2), body]);
  return Buffer.concat([record, sha256(sha256(record)).subarray(0, 4)]).toString('base64');
}

/** IPv4 and IPv6 addresses in canonical text. */
export const addresses: fc.Arbitrary<string> = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map((bytes) => addressFromBytes(bytes))
  .filter((address) => canonicalAddress(address) === address);

/** IPv4 addresses in canonical text. */
export const addressesOfVersion4: fc.Arbitrary<string> = fc
  .uint8Array({ minLength: 4, maxLength: 4 })
  .map((bytes) => bytes.join('.'));

/** 1 to 65535. */
export const ports: fc.Arbitrary<number> = fc.integer({ min: 1, max: 65535 });

/** Peer ids of any 32 bytes that can be somebody's key. */
export const peerIds: fc.Arbitrary<string> = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .filter(isKey)
  .map(peerIdOfKey);

const natTypes: fc.Arbitrary<NatType> = fc.oneof(
  fc.constantFrom('unknown', 'open', 'preserving', 'reuse', 'random').map((type) => ({ type })),
  fc
    .integer({ min: -32768, max: 32767 })
    .filter((delta) => delta !== 0)
    .map((delta) => ({ type: 'delta' as const, delta })),
);

const endpoints: fc.Arbitrary<UnlEndpoint> = fc.record({
  kind: fc.constantFrom('lan', 'wan', 'mapped'),
  address: addresses,
  port: ports,
});

const extensions: fc.Arbitrary<UnlExtension> = fc.record({
  tag: fc.integer({ min: 134, max: 255 }),
  value: fc.uint8Array({ maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
});

const servers = fc.record({ host: fc.stringMatching(/^[A-Za-z0-9.:-]{1,30}$/), port: ports });

/** Servers by WebSocket, as locators have them. */
const webSockets = (scheme: 'ws' | 'wss'): fc.Arbitrary<RendezvousAddress> =>
  fc
    .record({ name: fc.stringMatching(/^[a-z]{1,20}$/), port: ports, path: fc.constantFrom('', 'a/', 'a/b/') })
    .map(({ name, port, path }) => parseRendezvous('rendezvous', `${scheme}://${name}.example:${port}/${path}`));

/** MQTT brokers, as locators have them. */
const brokers: fc.Arbitrary<string> = fc
  .record({
    scheme: fc.constantFrom('mqtts', 'wss', 'mqtt', 'ws'),
    name: fc.stringMatching(/^[a-z]{1,20}$/),
    port: ports,
    path: fc.constantFrom('', 'mqtt', 'a/b/'),
  })
  .map(({ scheme, name, port, path }) => {
    const ofWebSocket = scheme.startsWith('ws') ? path : '';
    return parseBroker('mqtt', `${scheme}://${name}.example:${port}/${ofWebSocket}`).url;
  });

/** Every kind of version 3 locator that fits in its text, with its extensions in the order of their tags as they are written. */
export const unlsOfVersion3: fc.Arbitrary<UnlV3> = fc
  .record({
    version: fc.constant(3),
    peerId: peerIds,
    nodeType: fc.constantFrom('passive', 'simultaneous', 'active'),
    natType: natTypes,
    endpoints: fc.array(endpoints, { maxLength: 4 }),
    rendezvous: fc
      .tuple(
        fc.array(fc.record({ host: fc.stringMatching(/^[A-Za-z0-9.:-]{1,30}$/), port: ports, key: peerIds }), {
          maxLength: 1,
        }),
        fc.array(webSockets('wss'), { maxLength: 1 }),
        fc.array(webSockets('ws'), { maxLength: 1 }),
        fc.array(servers, { maxLength: 2 }),
      )
      .map((forms) => forms.flat()),
    mailboxes: fc.array(
      servers.map(({ host, port }) => new URL(`http://${host.replaceAll(/[^a-z]/g, 'x')}.example:${port}/a/`).href),
      { maxLength: 2 },
    ),
    dht: fc.array(servers, { maxLength: 2 }),
    mqtt: fc.array(brokers, { maxLength: 2 }),
    extensions: fc.array(extensions, { maxLength: 3 }).map((fields) => fields.toSorted((a, b) => a.tag - b.tag)),
  })
  // Some of those with the most of everything are too long for a locator: one in a few thousand.
  .filter((unl) => encodeVersion3(unl).toString('base64url').length <= UNL_MAX_LENGTH);

/** Every kind of version 2 locator. */
export const unlsOfVersion2: fc.Arbitrary<UnlV2> = fc.record({
  version: fc.constant(2),
  nodeId: fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  nodeType: fc.constantFrom('passive', 'active', 'simultaneous'),
  natType: fc.constantFrom('random', 'preserving', 'reuse', 'delta', 'unknown'),
  forwarding: fc.constantFrom('forwarded', 'manual', 'UPnP', 'NATPMP'),
  port: fc.integer({ min: 0, max: 65535 }),
  wan: addressesOfVersion4,
  lan: addressesOfVersion4,
});

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
