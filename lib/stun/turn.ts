import { isPort, type Endpoint } from '../endpoint.js';
import { attributeIn, readXorAddress, xorAddress, type StunAttribute, type StunMessage } from './messages.js';

// What TURN has beside STUN: RFC 8656 §17 and §18, and for TCP RFC 6062 §6.

/** The methods of requests, and of the indication that a peer has dialled. */
export const TURN_METHOD = {
  allocate: 0x003,
  refresh: 0x004,
  createPermission: 0x008,
  connect: 0x00a,
  connectionBind: 0x00b,
  connectionAttempt: 0x00c,
} as const;

const TYPE = {
  username: 0x0006,
  lifetime: 0x000d,
  peerAddress: 0x0012,
  realm: 0x0014,
  nonce: 0x0015,
  relayedAddress: 0x0016,
  addressFamily: 0x0017,
  requestedTransport: 0x0019,
  connectionId: 0x002a,
} as const;

/** TCP's number at IANA. */
const TCP = 6;

/** Asks for a relayed endpoint of TCP (RFC 6062 §4.1) of a family (RFC 8656 §18.8; one of IPv4 needs not be said). */
export function allocation(family: 4 | 6): readonly StunAttribute[] {
  const tcp = { type: TYPE.requestedTransport, value: Buffer.of(TCP, 0, 0, 0) };
  return family === 4 ? [tcp] : [tcp, { type: TYPE.addressFamily, value: Buffer.of(2, 0, 0, 0) }];
}

/** For how long an allocation is to be kept, in seconds; 0 gives it back (RFC 8656 §7). */
export function lifetime(seconds: number): StunAttribute {
  const value = Buffer.alloc(4);
  value.writeUInt32BE(seconds);
  return { type: TYPE.lifetime, value };
}

/** The address of a peer that may dial: its port does not count (RFC 8656 §10). */
export function peerAddress(address: string, transaction: Buffer): StunAttribute {
  return peerEndpoint({ address, port: 0 }, transaction);
}

/** The endpoint of a peer that the server is to dial (RFC 6062 §4.3). */
export function peerEndpoint(endpoint: Endpoint, transaction: Buffer): StunAttribute {
  return { type: TYPE.peerAddress, value: xorAddress(endpoint, transaction) };
}

/** Names the connection of a peer (RFC 6062 §6.2.1). */
export function connectionId(value: Uint8Array): StunAttribute {
  return { type: TYPE.connectionId, value };
}

/** By whom a request is, as the server has asked it to be signed (RFC 8489 §9.2.4). */
export function credentialsOf({ username, realm, nonce }: { username: string } & Challenge): readonly StunAttribute[] {
  return [
    { type: TYPE.username, value: Buffer.from(username) },
    { type: TYPE.realm, value: realm },
    { type: TYPE.nonce, value: nonce },
  ];
}

/** What a server asks a request to be signed with. */
export interface Challenge {
  readonly realm: Uint8Array;
  readonly nonce: Uint8Array;
}

/** What an error asks for (RFC 8489 §9.2.5); `undefined` where it does not. */
export function challengeIn(message: StunMessage): Challenge | undefined {
  const [realm, nonce] = [attributeIn(message, TYPE.realm), attributeIn(message, TYPE.nonce)];
  return realm === undefined || nonce === undefined ? undefined : { realm, nonce };
}

/** Where peers dial (RFC 8656 §18.5), and for how many seconds it is kept. */
export function allocatedIn(
  message: StunMessage,
): { readonly relayed: Endpoint; readonly seconds: number } | undefined {
  const value = attributeIn(message, TYPE.relayedAddress);
  const relayed = value === undefined ? undefined : readXorAddress(value, message.transaction);
  const seconds = lifetimeIn(message);
  return relayed === undefined || seconds === undefined || !isPort(relayed.port) ? undefined : { relayed, seconds };
}

/** For how many seconds an allocation is kept; `undefined` where a message does not say. */
export function lifetimeIn(message: StunMessage): number | undefined {
  const value = attributeIn(message, TYPE.lifetime);
  return value?.length === 4 ? Buffer.from(value).readUInt32BE() : undefined;
}

/** The connection of a peer that has dialled. */
export interface ConnectionAttempt {
  readonly id: Uint8Array;
  /** Where the server sees the peer. */
  readonly peer: Endpoint;
}

/** The connection of a peer that has dialled (RFC 6062 §4.4); `undefined` for any other message. */
export function connectionAttemptIn(message: StunMessage): ConnectionAttempt | undefined {
  const isAttempt = message.class === 'indication' && message.method === TURN_METHOD.connectionAttempt;
  const id = isAttempt ? connectionIdIn(message) : undefined;
  const value = isAttempt ? attributeIn(message, TYPE.peerAddress) : undefined;
  const peer = value && readXorAddress(value, message.transaction);
  return id !== undefined && peer !== undefined ? { id, peer } : undefined;
}

/** The id of a connection to a peer (RFC 6062 §6.2.1); `undefined` where a message has none. */
export function connectionIdIn(message: StunMessage): Uint8Array | undefined {
  const value = attributeIn(message, TYPE.connectionId);
  return value?.length === 4 ? value : undefined;
}
