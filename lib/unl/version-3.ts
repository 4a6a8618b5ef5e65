import { createHash } from 'node:crypto';
import {
  addressFromBytes,
  addressToBytes,
  canonicalAddress,
  isMappedIpv4,
  isPort,
  type ServerAddress,
} from '../endpoint.js';
import { brokerAt, type BrokerScheme } from '../broker-name.js';
import { InvalidUnlError } from '../errors.js';
import { isKey, KEY_LENGTH, peerIdOfKey, peerIdToKey } from '../identity.js';
import { parseRendezvous, type RendezvousAddress } from '../rendezvous-name.js';
import { decodeBase64Url, show, readUrl } from '../validate.js';
import type { NatType, NodeType, UnlEndpoint, UnlExtension, UnlV3 } from './types.js';

// version u8 = 3 · fields · checksum 4 bytes (of SHA-256)
// field: tag u8 · length u8 · value; in the order of their tags. Numbers are big-endian.
//
// A newer version adds fields. One that may be ignored has a tag from 128 on, and is kept; one that must be understood
// has a lower tag, and makes older programs refuse the locator instead of misreading it.
const TAG = {
  key: 1,
  nodeType: 2,
  natType: 3,
  endpoint: 4,
  rendezvous: 5,
  mailbox: 128,
  dht: 129,
  rendezvousByKey: 130,
  rendezvousByWss: 131,
  rendezvousByWs: 132,
  mqtt: 133,
} as const;
const FIRST_OPTIONAL_TAG = 128;
const FIRST_EXTENSION_TAG = TAG.mqtt + 1;
const CHECKSUM_LENGTH = 4;

const NODE_TYPES: readonly NodeType[] = ['passive', 'simultaneous', 'active'];
const NAT_TYPES: readonly NatType['type'][] = ['unknown', 'open', 'preserving', 'reuse', 'delta', 'random'];
const BROKER_SCHEMES: readonly BrokerScheme[] = ['mqtts', 'wss', 'mqtt', 'ws'];
const ENDPOINT_KINDS: readonly UnlEndpoint['kind'][] = ['lan', 'wan', 'mapped'];

const HOST = /^[A-Za-z0-9._:-]{1,253}$/;

interface Field {
  readonly tag: number;
  readonly value: Buffer;
}

/**
 * Reads the bytes of a version 3 locator.
 *
 * @throws InvalidUnlError
 */
export function decodeVersion3(bytes: Buffer): UnlV3 {
  const checksumAt = bytes.length - CHECKSUM_LENGTH;
  if (checksumAt < 1 || !checksum(bytes.subarray(0, checksumAt)).equals(bytes.subarray(checksumAt))) {
    throw new InvalidUnlError('The checksum of the UNL is wrong: it is damaged or incomplete');
  }
  const fields = readFields(bytes.subarray(1, checksumAt));
  const foreign = fields.find(({ tag }) => tag > TAG.rendezvous && tag < FIRST_OPTIONAL_TAG);
  if (foreign !== undefined || fields.some(({ tag }) => tag < TAG.key)) {
    throw new InvalidUnlError(
      `The UNL has a field that this version must understand but does not (tag ${foreign?.tag ?? 0}): update rxp2p`,
    );
  }
  const valuesOf = (wanted: number) => fields.filter(({ tag }) => tag === wanted).map(({ value }) => value);
  const key = only('key', valuesOf(TAG.key));
  if (key.length !== KEY_LENGTH) throw new InvalidUnlError(`Expected a key of ${KEY_LENGTH} bytes, got ${key.length}`);
  if (!isKey(key)) throw new InvalidUnlError('The key in the UNL is one that proves nobody');
  return {
    version: 3,
    peerId: peerIdOfKey(key),
    nodeType: decodeNodeType(only('node type', valuesOf(TAG.nodeType))),
    natType: decodeNatType(only('NAT type', valuesOf(TAG.natType))),
    endpoints: valuesOf(TAG.endpoint).map(decodeEndpoint),
    rendezvous: [
      ...valuesOf(TAG.rendezvousByKey).map(decodeByKey),
      ...valuesOf(TAG.rendezvousByWss).map((value) => decodeWebSocket('wss:', value)),
      ...valuesOf(TAG.rendezvousByWs).map((value) => decodeWebSocket('ws:', value)),
      ...valuesOf(TAG.rendezvous).map(decodeServer),
    ],
    mailboxes: valuesOf(TAG.mailbox).map(decodeUrl),
    dht: valuesOf(TAG.dht).map(decodeServer),
    mqtt: valuesOf(TAG.mqtt).map(decodeBroker),
    extensions: fields
      .filter(({ tag }) => tag >= FIRST_EXTENSION_TAG)
      .map(({ tag, value }) => ({ tag, value: value.toString('base64url') })),
  };
}

/**
 * Writes the bytes of a version 3 locator.
 *
 * @throws InvalidUnlError
 */
export function encodeVersion3(unl: UnlV3): Buffer {
  const key = peerIdToKey(unl.peerId);
  if (key === undefined) {
    throw new InvalidUnlError(
      `Expected \`peerId\` to be a key of 32 bytes in base64url that can prove somebody, got ${show(unl.peerId)}`,
    );
  }
  const fields: Field[] = [
    { tag: TAG.key, value: key },
    { tag: TAG.nodeType, value: Buffer.from([indexIn('nodeType', NODE_TYPES, unl.nodeType)]) },
    { tag: TAG.natType, value: encodeNatType(unl.natType) },
    ...unl.endpoints.map((endpoint) => ({ tag: TAG.endpoint, value: encodeEndpoint(endpoint) })),
    ...unl.mailboxes.map((url) => ({ tag: TAG.mailbox, value: encodeUrl(url) })),
    ...unl.dht.map((server) => ({ tag: TAG.dht, value: encodeServer(server) })),
    ...unl.rendezvous.map(encodeRendezvous),
    ...unl.mqtt.map((url) => ({ tag: TAG.mqtt, value: encodeBroker(url) })),
    ...unl.extensions.map(encodeExtension),
  ].toSorted((a, b) => a.tag - b.tag);
  const record = Buffer.concat([
    Buffer.from([3]),
    ...fields.flatMap(({ tag, value }) => [Buffer.from([tag, value.length]), value]),
  ]);
  return Buffer.concat([record, checksum(record)]);
}

function checksum(record: Uint8Array): Buffer {
  return createHash('sha256').update(record).digest().subarray(0, CHECKSUM_LENGTH);
}

function readFields(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes[at];
    const length = bytes[at + 1];
    const value = bytes.subarray(at + 2, at + 2 + (length ?? 0));
    if (tag === undefined || length === undefined || value.length < length) {
      throw new InvalidUnlError('A field of the UNL is cut off');
    }
    if (tag < (fields.at(-1)?.tag ?? 0)) throw new InvalidUnlError('The fields of the UNL are not in order');
    fields.push({ tag, value });
    at += 2 + length;
  }
  return fields;
}

function only(name: string, values: readonly Buffer[]): Buffer {
  const [value] = values;
  if (value === undefined || values.length > 1) {
    throw new InvalidUnlError(`Expected one ${name} in the UNL, got ${values.length}`);
  }
  return value;
}

function decodeNodeType(value: Buffer): NodeType {
  const nodeType = value.length === 1 ? NODE_TYPES[value.readUInt8()] : undefined;
  if (nodeType === undefined) throw new InvalidUnlError('The UNL names a node type that does not exist');
  return nodeType;
}

function decodeNatType(value: Buffer): NatType {
  const type = NAT_TYPES[value[0] ?? -1];
  if (type === undefined || value.length !== (type === 'delta' ? 3 : 1)) {
    throw new InvalidUnlError('The UNL names a NAT type that does not exist');
  }
  if (type !== 'delta') return { type };
  const delta = value.readInt16BE(1);
  if (delta === 0) throw new InvalidUnlError('Expected a delta other than 0 in the UNL');
  return { type, delta };
}

function encodeNatType(natType: NatType): Buffer {
  const index = indexIn('natType', NAT_TYPES, natType.type);
  if (natType.type !== 'delta') return Buffer.from([index]);
  const { delta } = natType;
  if (!Number.isInteger(delta) || delta < -32768 || delta > 32767 || delta === 0) {
    throw new InvalidUnlError(`Expected \`delta\` to be an integer from -32768 to 32767, not 0, got ${show(delta)}`);
  }
  const value = Buffer.from([index, 0, 0]);
  value.writeInt16BE(delta, 1);
  return value;
}

function decodeEndpoint(value: Buffer): UnlEndpoint {
  const kind = ENDPOINT_KINDS[value[0] ?? -1];
  if (kind === undefined || (value.length !== 7 && value.length !== 19)) {
    throw new InvalidUnlError('The UNL has an endpoint that cannot be read');
  }
  const port = value.readUInt16BE(1);
  if (port === 0) throw new InvalidUnlError('The UNL has an endpoint with port 0');
  const bytes = value.subarray(3);
  // It would be a second spelling of the same endpoint.
  if (isMappedIpv4(bytes)) throw new InvalidUnlError('The UNL has an IPv4 address written as IPv6');
  return { kind, address: addressFromBytes(bytes), port };
}

function encodeEndpoint({ kind, address, port }: UnlEndpoint): Buffer {
  if (canonicalAddress(address) !== address) {
    throw new InvalidUnlError(`Expected an endpoint's \`address\` to be a canonical IP address, got ${show(address)}`);
  }
  return Buffer.concat([
    Buffer.from([indexIn('kind', ENDPOINT_KINDS, kind), ...encodePort(port)]),
    addressToBytes(address),
  ]);
}

function decodeServer(value: Buffer): ServerAddress {
  const host = value.toString('latin1', 2);
  const port = value.length < 2 ? 0 : value.readUInt16BE();
  if (port === 0 || !HOST.test(host)) throw new InvalidUnlError('The UNL names a server that cannot be read');
  return { host, port };
}

function encodeServer({ host, port }: ServerAddress): Buffer {
  if (!HOST.test(host)) {
    throw new InvalidUnlError(`Expected a server's \`host\` to be a name or an address, got ${show(host)}`);
  }
  return Buffer.concat([Buffer.from(encodePort(port)), Buffer.from(host, 'latin1')]);
}

function decodeByKey(value: Buffer): RendezvousAddress {
  const key = value.subarray(0, KEY_LENGTH);
  if (key.length < KEY_LENGTH || !isKey(key)) throw new InvalidUnlError('The UNL names a server by a key that is none');
  return { ...decodeServer(value.subarray(KEY_LENGTH)), key: peerIdOfKey(key) };
}

/** What is written of the URL is what follows `//`. */
function decodeWebSocket(scheme: 'wss:' | 'ws:', value: Buffer): RendezvousAddress {
  const url = `${scheme}//${value.toString('latin1')}`;
  const server = readWebSocket(url);
  if (server === undefined) throw new InvalidUnlError('The UNL names a server by a URL that cannot be read');
  return server;
}

/** Reads a URL of a WebSocket in the one spelling that it has. */
function readWebSocket(url: string): RendezvousAddress | undefined {
  try {
    const server = parseRendezvous('rendezvous', url);
    return server.url === url ? server : undefined;
  } catch {
    return undefined;
  }
}

function encodeRendezvous(server: RendezvousAddress): Field {
  const { key: peerId, url } = server;
  if (url !== undefined) {
    const value = Buffer.from(url.replace(/^wss?:\/\//, ''), 'latin1');
    if (readWebSocket(url) === undefined || value.length > 255) {
      throw new InvalidUnlError(
        `Expected a server's \`url\` to be one of a WebSocket, ending in a slash, got ${show(url)}`,
      );
    }
    return { tag: url.startsWith('wss:') ? TAG.rendezvousByWss : TAG.rendezvousByWs, value };
  }
  if (peerId === undefined) return { tag: TAG.rendezvous, value: encodeServer(server) };
  const key = peerIdToKey(peerId);
  if (key === undefined) throw new InvalidUnlError(`Expected a server's \`key\` to be one, got ${show(peerId)}`);
  const value = Buffer.concat([key, encodeServer(server)]);
  if (value.length > 255)
    throw new InvalidUnlError(`Expected a server's \`host\` to be shorter, got ${show(server.host)}`);
  return { tag: TAG.rendezvousByKey, value };
}

function decodeUrl(value: Buffer): string {
  const text = value.toString('latin1');
  if (!isHttpUrl(text)) throw new InvalidUnlError('The UNL names a mailbox that cannot be read');
  return text;
}

function encodeUrl(url: string): Buffer {
  if (!isHttpUrl(url)) throw new InvalidUnlError(`Expected a mailbox to be a URL of HTTP, got ${show(url)}`);
  return Buffer.from(url, 'latin1');
}

/** In the one spelling that it has, without secrets. */
function isHttpUrl(text: string): boolean {
  const url = text.length <= 255 ? readUrl(text) : undefined;
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  return isHttp && url.href === text && `${url.username}${url.password}` === '';
}

/** scheme u8 · what follows `//` in the URL */
function decodeBroker(value: Buffer): string {
  const url = `${BROKER_SCHEMES[value[0] ?? -1] ?? ''}://${value.toString('latin1', 1)}`;
  if (brokerAt(url) === undefined) throw new InvalidUnlError('The UNL names a broker that cannot be read');
  return url;
}

function encodeBroker(url: string): Buffer {
  const broker = brokerAt(url);
  const rest = broker === undefined ? '' : url.slice(`${broker.scheme}://`.length);
  if (broker === undefined || rest.length >= 255) {
    // What is no such URL may have a password in it.
    throw new InvalidUnlError('Expected a broker to be a URL in its one spelling, without a name or a password');
  }
  return Buffer.concat([Buffer.of(BROKER_SCHEMES.indexOf(broker.scheme)), Buffer.from(rest, 'latin1')]);
}

function encodeExtension({ tag, value }: UnlExtension): Field {
  const bytes = decodeBase64Url(value);
  if (!Number.isInteger(tag) || tag < FIRST_EXTENSION_TAG || tag > 255) {
    throw new InvalidUnlError(
      `Expected an extension's \`tag\` to be an integer from ${FIRST_EXTENSION_TAG} to 255, got ${show(tag)}`,
    );
  }
  if (bytes === undefined || bytes.length > 255) {
    throw new InvalidUnlError(
      `Expected an extension's \`value\` to be 0 to 255 bytes in base64url, got ${show(value)}`,
    );
  }
  return { tag, value: bytes };
}

function encodePort(port: number): [number, number] {
  if (!isPort(port)) throw new InvalidUnlError(`Expected \`port\` to be an integer from 1 to 65535, got ${show(port)}`);
  return [port >> 8, port & 0xff];
}

function indexIn(name: string, names: readonly string[], value: string): number {
  const index = names.indexOf(value);
  if (index < 0) throw new InvalidUnlError(`Expected \`${name}\` to be one of ${names.join(', ')}, got ${show(value)}`);
  return index;
}
