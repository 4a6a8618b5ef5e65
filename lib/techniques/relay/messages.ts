import { parseEndpoint, formatEndpoint } from '../../endpoint.js';
import { isRelayToken } from './protocol.js';
import type { Signal } from '../../signalling/signalling.js';
import { decodeBase64Url, isId, readUrl } from '../../validate.js';
import { oneLine } from '../../words.js';

// What two nodes say to each other to meet at a relay, as signals:
//
//   relay-ask      { attempt, token, relays: [{ url, at, id }, …], first }   meet me at one of these, best first
//   relay-answer   { attempt, token, relay, first }                          I am on my way to that one, by its url above
//   relay-refusal  { attempt, token, reason }                                no
//
// Of each relay there is its URL, the endpoints at which the asker is connected to that server, if it is, and the id that the
// server has told of itself, if it has. `first` is what the sender will say first at the relay, in base64url, where it tells that already: the
// beginning of the TLS handshake.

/** Relays that an ask may name. */
export const MAX_RELAYS = 4;

/** Endpoints of one relay that are told: one of each family, and some to spare. */
export const MAX_ENDPOINTS = 4;

/** The longest URL of a relay, in characters. */
export const MAX_URL_LENGTH = 256;

/** The most of what is said first, in bytes: a part of the TLS handshake takes a few hundred, with keys for the time after quantum computers 2,000. */
export const MAX_FIRST_BYTES = 4_096;

/** The same in base64url, without padding. */
const MAX_FIRST_LENGTH = Math.ceil((MAX_FIRST_BYTES * 4) / 3);

/** All that a node knows a relay by; enough for another to see whether it knows the same one. */
export interface RelayNames {
  /** Its URL, in the spelling of {@link URL}. */
  readonly url: string;
  /** Where the asker is connected to the relay's server, as `address:port` of the relay itself. */
  readonly at: readonly string[];
  /** What the server calls itself. */
  readonly id: string | undefined;
}

/** One node asks another to meet it at a relay. */
export interface RelayAsk {
  /** Names the attempt, for the answers to it. */
  readonly attempt: string;
  /** What both tell the relay. */
  readonly token: string;
  /** The best first. */
  readonly relays: readonly RelayNames[];
  /** What the sender says first at the relay, as far as it is told here already. */
  readonly first?: Buffer | undefined;
}

/** The other says where, or that it will not. */
export type RelayReply = {
  readonly attempt: string;
  readonly token: string;
} & (RelayAnswer | { readonly refusal: string });

/** The other is on its way. */
interface RelayAnswer {
  /** To which relay, by its URL in the ask. */
  readonly relay: string;
  /** What the sender says first at the relay, as far as it is told here already. */
  readonly first?: Buffer | undefined;
}

/** Writes an ask. */
export function askSignal({ attempt, token, relays, first }: RelayAsk): Signal {
  return { kind: 'relay-ask', body: { attempt, token, relays, first: writeFirst(first) } };
}

/** Writes what the other says. */
export function replySignal(reply: RelayReply): Signal {
  const { attempt, token } = reply;
  return 'relay' in reply
    ? { kind: 'relay-answer', body: { attempt, token, relay: reply.relay, first: writeFirst(reply.first) } }
    : { kind: 'relay-refusal', body: { attempt, token, reason: reply.refusal } };
}

/** Reads an ask: `undefined` for any other signal, and for one that is malformed. Never throws. */
export function readAsk({ kind, body }: Signal): RelayAsk | undefined {
  const { attempt, token, relays: named } = body;
  const first = readFirst(body['first']);
  if (kind !== 'relay-ask' || !isId(attempt) || !isRelayToken(token)) return undefined;
  if (first === MALFORMED || !Array.isArray(named) || named.length === 0 || named.length > MAX_RELAYS) return undefined;
  const relays = named.map(readRelay).filter((relay) => relay !== undefined);
  return relays.length === named.length ? { attempt, token, relays, ...(first && { first }) } : undefined;
}

/** Reads what the other says: `undefined` for any other signal, and for one that is malformed. Never throws. */
export function readReply({ kind, body }: Signal): RelayReply | undefined {
  const { attempt, token, relay, reason } = body;
  if (!isId(attempt) || !isRelayToken(token)) return undefined;
  if (kind === 'relay-answer' && typeof relay === 'string') {
    const first = readFirst(body['first']);
    return first === MALFORMED ? undefined : { attempt, token, relay, ...(first && { first }) };
  }
  if (kind === 'relay-refusal' && typeof reason === 'string') return { attempt, token, refusal: oneLine(reason) };
  return undefined;
}

/** What is longer is not told: the relay brings it anyway. */
function writeFirst(first: Buffer | undefined): string | undefined {
  return first !== undefined && first.length <= MAX_FIRST_BYTES ? first.toString('base64url') : undefined;
}

const MALFORMED = Symbol('malformed');

function readFirst(value: unknown): Buffer | undefined | typeof MALFORMED {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value.length > MAX_FIRST_LENGTH) return MALFORMED;
  return decodeBase64Url(value) ?? MALFORMED;
}

function readRelay(value: unknown): RelayNames | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { url, at, id }: { url?: unknown; at?: unknown; id?: unknown } = value;
  if (typeof url !== 'string' || url.length > MAX_URL_LENGTH || !isHttp(url)) return undefined;
  if (!Array.isArray(at) || at.length > MAX_ENDPOINTS) return undefined;
  const endpoints = at.map(readEndpoint).filter((endpoint) => endpoint !== undefined);
  if (endpoints.length !== at.length) return undefined;
  if (id !== undefined && !isId(id)) return undefined;
  return { url, at: endpoints, id };
}

function readEndpoint(value: unknown): string | undefined {
  const endpoint = typeof value === 'string' ? parseEndpoint(value) : undefined;
  return endpoint && formatEndpoint(endpoint);
}

/** It is only compared, and repeated in the answer. No node connects to it. */
function isHttp(text: string): boolean {
  return ['http:', 'https:'].includes(readUrl(text)?.protocol ?? '');
}
