// How a node joins a relay: an HTTP request that changes the protocol (RFC 9110 §7.8), at `relay` below the server's URL.
//
//   GET /relay HTTP/1.1                            HTTP/1.1 101 Switching Protocols
//   Host: relay.example.org:8080                   Connection: Upgrade
//   Connection: Upgrade                            Upgrade: rxp2p-relay/1
//   Upgrade: rxp2p-relay/1
//   rxp2p-relay: BASE64URL                         or a status of 400 and above, with { refused, words, now }
//   Authorization: rxp2p-ed25519 SIGNATURE
//
// The header has { from, to, token, at } in JSON: the peer ids of who asks and of the other node, a secret that only these two
// know, and the time. `from` signs the text of the header, as written at the top of `lib/signed-request.ts`. A URL is written
// to logs, so nothing of it stands there.
//
// The relay answers as soon as the request is good, whether or not the other node is there. Once that has joined, too, at the
// same relay and with the same token, `from` and `to` the other way round, whatever either sends goes to the other, as it is.
// Each node may join with a token once. What it sends before the other is there waits in the network.
//
// A relay remembers in memory which tokens were used. So a request from before its start is refused (`untimely`), and `now` is the
// relay's time, with which the node signs again.
//
// What an attacker can do who has seen a request: nothing at the same server, unless that was restarted within the time by which
// the clock of `from` is ahead. In that case, and at a server that does not know its own names, take the node's place for two
// minutes; but the attacker cannot prove the node's key to the other node.
import { isPeerId, type Identity, type PeerId } from '../../identity.js';
import * as signedRequest from '../../signed-request.js';
import { decodeBase64Url, isTime, parseJsonObject } from '../../validate.js';

/** What the protocol is called in the Upgrade header. */
export const RELAY_PROTOCOL = 'rxp2p-relay/1';

/** The header that has the request, as Node writes it: in lower case. */
export const RELAY_HEADER = 'rxp2p-relay';

/** The bytes of a token: as many as {@link Runtime.newId} has. */
const TOKEN_LENGTH = 16;

/** A request has 230 characters or so. */
const REQUEST_MAX_LENGTH = 512;

/** The longest refusal that is read, in bytes. */
export const REFUSAL_MAX_BYTES = 1024;

/** A node that wants to be joined with another. */
export interface JoinRequest {
  readonly from: PeerId;
  readonly to: PeerId;
  /** Known to these two alone: 22 base64url characters, 128 bits. */
  readonly token: string;
  /** The time of day in milliseconds since the epoch, by the clock of `from`. */
  readonly at: number;
}

/** Why a relay does not let a node in, with the HTTP status of each. */
export const REFUSALS = {
  /** The request cannot be read. */
  malformed: 400,
  /** It is not signed by whom it is from, or for another server. */
  signature: 401,
  /** Its time is not the server's. */
  clock: 409,
  /** It may be from before the start of the relay, which does not remember that time. */
  untimely: 409,
  /** This node has joined with this token before. */
  replayed: 409,
  /** The token belongs to two other nodes. */
  taken: 409,
  /** The other node has joined and left. */
  gone: 409,
  'too-often': 429,
  'host-full': 429,
  'server-full': 503,
} as const;

/**
 * Why a relay does not let a node in.
 *
 * @useDeclaredType
 */
export type RefusalCode = keyof typeof REFUSALS;

/** That a relay does not let a node in. */
export type Refusal = signedRequest.Refusal<RefusalCode>;

const LABEL = 'relay 1 join';

/** Where a relay is joined. */
export function relayUrl(server: URL): URL {
  return signedRequest.urlBelow(server, 'relay');
}

/** Writes the header of a request. */
export function encodeJoin({ from, to, token, at }: JoinRequest): string {
  return Buffer.from(JSON.stringify({ from, to, token, at })).toString('base64url');
}

/** Reads the header of a request: `undefined` for anything that is none, such as one by which a node would meet itself. */
export function decodeJoin(text: string): JoinRequest | undefined {
  if (text.length > REQUEST_MAX_LENGTH) return undefined;
  const { from, to, token, at } = parseJsonObject(decodeBase64Url(text)?.toString('utf8') ?? '') ?? {};
  if (!isPeerId(from) || !isPeerId(to) || from === to || !isRelayToken(token) || !isTime(at)) return undefined;
  return { from, to, token, at };
}

/** Whether something that a peer has sent can be a token. */
export function isRelayToken(value: unknown): value is string {
  return typeof value === 'string' && value.length === 22 && decodeBase64Url(value)?.length === TOKEN_LENGTH;
}

/**
 * The Authorization header of a request.
 *
 * @param host the Host header.
 * @param text the header that {@link encodeJoin} wrote.
 */
export function authorize(identity: Identity, host: string, text: string): string {
  return signedRequest.authorizationOf(identity, LABEL, host, text);
}

/** Whether the caller signed a request. Never throws. */
export function isAuthorized(caller: PeerId, host: string, text: string, authorization: string | undefined): boolean {
  return signedRequest.isSigned(caller, LABEL, host, Buffer.from(text), authorization);
}

/** Reads a refusal: `undefined` for anything that is none. */
export function decodeRefusal(text: string): Refusal | undefined {
  return signedRequest.decodeRefusal(text, REFUSALS);
}
