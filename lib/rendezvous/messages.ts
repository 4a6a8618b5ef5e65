import {
  canonicalAddress,
  formatEndpoint,
  parseEndpoint,
  readPort,
  type Endpoint,
  type Observed,
} from '../endpoint.js';
import { MAX_NODES } from '../bounds/max-nodes.js';
import { isPeerId, type PeerId } from '../identity.js';
import { PARCEL_MAX_BYTES } from '../parcel.js';
import { decodeBase64Url, isBase64Url, isId, readNumber } from '../validate.js';
import { oneLine } from '../words.js';

// The rendezvous protocol: TCP, lines of words that end in CRLF. A node proves its key, and is then known by it, however many share its
// address:
//
//   HELLO 2                            → NONCE nonce address:port | NONCE nonce address | NONCE nonce
//                                        (a challenge, and where the node is seen, as far as proxies before the server tell it)
//   PROVE peer host:port address:port signature
//                                      → WELCOME | WELCOME HTTP port | WELCOME HTTP port ID id
//                                        (where the same host's HTTP services are, and an id of the server's own, by which nodes
//                                        that know it by different names or addresses see that it is one)
//   SEND id peer message               → SENT id | ABSENT id
//   ADVERTISE unl                        (listed for others while the session lasts)
//   WITHDRAW
//   UNLS id n                          → LISTED id unl@address unl@address,address …
//                                        (of each locator the endpoints at which the server has seen the node, and its LAN
//                                        addresses where the asker is seen at the same public address; behind the @ where it is
//                                        seen, by each of its sessions)
//   JOIN id topic n unl                → LISTED id …, as of UNLS, of others that are listed under the topic
//                                        (listed under it while the session lasts, but for ten minutes at most without another JOIN)
//   LEAVE topic
//   PING                               → PONG
//                                        MESSAGE peer message addr  (from another node, seen at this address)
//                                        REFUSED code words …       (and the server closes, unless the code is
//                                        `table-full`, `too-often`, `unseen` or `store-unavailable`: then it is of one
//                                        request)
//                                        REFUSED replaced nonce words …
//                                        (a newer session with the same key took over: that which began by this nonce)
//
// The proof says which server the node has dialled: the host and port that it was told, in lower case, and the address and port that it
// has come to. A server refuses one that was meant for another (`wrong-server`), so that no server can pass on another's challenge as its
// own and have the node's session there. It knows its names (`--host`), and the address of its socket; behind a NAT or a proxy only
// names tell, and have to be given. Where the node knows the server by a key, the proof names that.
//
// What a hostile server can still do to the nodes that use it: see who they are, where they are, and to whom they send; delay, drop or
// repeat their messages, which are sealed and signed above this protocol; tell them a wrong address of their own, and list whom it likes.
// By plain TCP whoever is on the way to an honest server, or answers for its name, can do the same, and take the session over; not by TLS,
// with the server's key or as `wss:`.
//
// PyP2P's verbs, which nodes without a key use on the same port, are in `lib/pyp2p/wire/rendezvous-messages.ts`.
//
// Version 2. Version 1 signed neither; both sides refuse the other's version.

/** The version of our part of the protocol. */
export const RENDEZVOUS_VERSION = 2;

/** How sessions by WebSocket are asked for: the end of the path, and the sub-protocol. Each text frame is a line, without its end. */
export const WEB_SOCKET_PATH = '/rendezvous';
export const WEB_SOCKET_PROTOCOL = `rxp2p.rendezvous.${RENDEZVOUS_VERSION}`;

/** The protocol's name in a TLS handshake (ALPN) with a server that proves its key: lines as over TCP. */
export const LINES_ALPN = `rxp2p-rendezvous/${RENDEZVOUS_VERSION}`;

/** The longest line to a server, in bytes: a message in base64url and the words around it. */
export const REQUEST_MAX_BYTES = 24_576;

/** The longest line from a server, in bytes: a hundred locators, each with two addresses. */
export const REPLY_MAX_BYTES = 65_536;

/** The most members of a topic that a node asks for, and a server lists, at once: enough to join the others by, and a short line. */
export const MAX_MEMBERS = 16;

/** A node has at most one session by each family of addresses. */
const MAX_SEEN_AT = 2;

/** How many words of a line are read: more than any valid line has. */
const MAX_WORDS = MAX_NODES + 4;

/** Why a server refuses; words for people follow the code on the wire. */
export type RefusalCode =
  | 'too-many-connections'
  | 'too-many-lines'
  | 'line-too-long'
  | 'malformed'
  | 'bad-proof'
  | 'bad-version'
  | 'wrong-server'
  | 'idle'
  | 'replaced'
  | 'table-full'
  | 'too-often'
  | 'unseen'
  | 'store-unavailable'
  | 'closing';

/** A node as a server lists it. */
interface ListedNode {
  /** Its locator: anybody's text, but for the endpoints, which the server has seen. */
  readonly unl: string;
  /** The addresses at which the server sees the node: one for each family of addresses at most. */
  readonly seenAt: readonly string[];
}

/** Which server a node has dialled. */
export interface Dialled {
  /** Its host and port, as the node was told them, in lower case: `rv.example.org:8000`. */
  readonly server: string;
  /** Where that has led. */
  readonly at: Endpoint;
}

/** A line to the server. */
export type Request =
  | { readonly verb: 'HELLO'; readonly version: number }
  | ({ readonly verb: 'PROVE'; readonly peerId: PeerId; readonly signature: Buffer } & Dialled)
  | { readonly verb: 'SEND'; readonly id: string; readonly to: PeerId; readonly message: Buffer }
  | { readonly verb: 'ADVERTISE'; readonly unl: string }
  | { readonly verb: 'WITHDRAW' }
  | { readonly verb: 'UNLS'; readonly id: string; readonly count: number }
  | { readonly verb: 'JOIN'; readonly id: string; readonly topic: string; readonly count: number; readonly unl: string }
  | { readonly verb: 'LEAVE'; readonly topic: string }
  | { readonly verb: 'PING' };

/** A line from the server. */
export type Reply =
  | { readonly verb: 'NONCE'; readonly nonce: string; readonly observed: Observed | undefined }
  | { readonly verb: 'WELCOME'; readonly httpPort: number | undefined; readonly serverId: string | undefined }
  | { readonly verb: 'SENT'; readonly id: string }
  | { readonly verb: 'ABSENT'; readonly id: string }
  | { readonly verb: 'MESSAGE'; readonly from: PeerId; readonly message: Buffer; readonly seenAt: string }
  | { readonly verb: 'LISTED'; readonly id: string; readonly nodes: readonly ListedNode[] }
  | { readonly verb: 'PONG' }
  | { readonly verb: 'REFUSED'; readonly code: string; readonly words: string };

/** What a node signs to prove its key to a server: the nonce, and that it is for this server and nothing else. */
export function proofOf(nonce: string, peerId: PeerId, { server, at }: Dialled): Buffer {
  return Buffer.from(`rxp2p rendezvous ${RENDEZVOUS_VERSION} ${nonce} ${peerId} ${server} ${formatEndpoint(at)}`);
}

/** Writes a line to a server, without its end. */
export function formatRequest(request: Request): string {
  switch (request.verb) {
    case 'HELLO':
      return `HELLO ${request.version}`;
    case 'PROVE':
      return [
        'PROVE',
        request.peerId,
        request.server,
        formatEndpoint(request.at),
        request.signature.toString('base64url'),
      ].join(' ');
    case 'SEND':
      return `SEND ${request.id} ${request.to} ${request.message.toString('base64url')}`;
    case 'ADVERTISE':
      return `ADVERTISE ${request.unl}`;
    case 'UNLS':
      return `UNLS ${request.id} ${request.count}`;
    case 'JOIN':
      return `JOIN ${request.id} ${request.topic} ${request.count} ${request.unl}`;
    case 'LEAVE':
      return `LEAVE ${request.topic}`;
    case 'WITHDRAW':
    case 'PING':
      return request.verb;
  }
}

/** Reads a line to a server: `undefined` for anything that is not exactly one of its verbs. Never throws. */
export function parseRequest(line: string): Request | undefined {
  const [verb, ...words] = line.split(' ', MAX_WORDS);
  const [first = '', second = '', third = ''] = words;
  switch (verb) {
    case 'HELLO': {
      const version = readNumber(first, 1, 255);
      return words.length === 1 && version !== undefined ? { verb, version } : undefined;
    }
    case 'PROVE': {
      const at = parseEndpoint(third);
      const signature = decodeBase64Url(words[3] ?? '');
      if (words.length !== 4 || !isPeerId(first) || !isServerName(second)) return undefined;
      return at && signature && { verb, peerId: first, server: second, at, signature };
    }
    case 'SEND': {
      const send = readSend(line);
      return send && { verb, id: send.id, to: send.to, message: Buffer.from(send.message, 'base64url') };
    }
    case 'ADVERTISE':
      return words.length === 1 && isUnlText(first) ? { verb, unl: first } : undefined;
    case 'UNLS': {
      const count = readNumber(second, 1, MAX_NODES);
      return words.length === 2 && isId(first) && count !== undefined ? { verb, id: first, count } : undefined;
    }
    case 'JOIN': {
      const count = readNumber(third, 1, MAX_MEMBERS);
      const unl = words[3] ?? '';
      if (words.length !== 4 || !isId(first) || !isTopic(second) || count === undefined || !isUnlText(unl))
        return undefined;
      return { verb, id: first, topic: second, count, unl };
    }
    case 'LEAVE':
      return words.length === 1 && isTopic(first) ? { verb, topic: first } : undefined;
    case 'WITHDRAW':
    case 'PING':
      return words.length === 0 ? { verb } : undefined;
    default:
      return undefined;
  }
}

/** A message to pass on: its text is that of the line, as it is passed on. */
export interface Send {
  readonly id: string;
  readonly to: PeerId;
  /** In base64url. */
  readonly message: string;
}

/** The longest message, in characters of base64url. */
const MESSAGE_MAX_LENGTH = Math.ceil((PARCEL_MAX_BYTES * 4) / 3);

/** Reads `SEND id peer message` without decoding the message, which a server only passes on: `undefined` for any other line. */
export function readSend(line: string): Send | undefined {
  if (!line.startsWith('SEND ')) return undefined;
  const [, id = '', to = '', message = '', ...rest] = line.split(' ', 5);
  return rest.length === 0 && isId(id) && isPeerId(to) && isMessageText(message) ? { id, to, message } : undefined;
}

/** Writes a line that passes on a message of {@link readSend}. */
export function formatMessage(from: PeerId, message: string, seenAt: string): string {
  return `MESSAGE ${from} ${message} ${seenAt}`;
}

/** Whether a line is one of {@link formatMessage}'s, told without decoding the message. */
export function isMessage(line: string): boolean {
  if (!line.startsWith('MESSAGE ')) return false;
  const [, from = '', message = '', seenAt = '', ...rest] = line.split(' ', 5);
  return rest.length === 0 && isPeerId(from) && isMessageText(message) && canonicalAddress(seenAt) !== undefined;
}

const REPLACED_WORDS = 'a newer session with the same key took over';

/**
 * Writes the words of a refusal with `replaced`.
 *
 * @param by the challenge by which the newer session began: a node that has that session, too, knows by it that nobody else has its key.
 */
export function formatReplaced(by: string): string {
  return `${by} ${REPLACED_WORDS}`;
}

/** Reads the words of a refusal with `replaced`: the challenge, where there is one, and the rest. */
export function parseReplaced(text: string): { readonly by: string | undefined; readonly words: string } {
  const by = /^[A-Za-z0-9_-]{43}(?= |$)/.exec(text)?.[0];
  return { by, words: text.slice(by?.length ?? 0).trim() || REPLACED_WORDS };
}

function isMessageText(text: string): boolean {
  return text !== '' && text.length <= MESSAGE_MAX_LENGTH && isBase64Url(text);
}

/** Writes a line from a server, without its end. */
export function formatReply(reply: Reply): string {
  switch (reply.verb) {
    case 'NONCE':
      return ['NONCE', reply.nonce, ...(reply.observed === undefined ? [] : [formatObserved(reply.observed)])].join(
        ' ',
      );
    case 'SENT':
    case 'ABSENT':
      return `${reply.verb} ${reply.id}`;
    case 'MESSAGE':
      return formatMessage(reply.from, reply.message.toString('base64url'), reply.seenAt);
    case 'LISTED':
      return ['LISTED', reply.id, ...reply.nodes.map(({ unl, seenAt }) => `${unl}@${seenAt.join(',')}`)].join(' ');
    case 'REFUSED':
      return `REFUSED ${reply.code} ${reply.words}`;
    case 'WELCOME':
      if (reply.httpPort === undefined) return 'WELCOME';
      return `WELCOME HTTP ${reply.httpPort}${reply.serverId === undefined ? '' : ` ID ${reply.serverId}`}`;
    case 'PONG':
      return reply.verb;
  }
}

/** Reads a line from a server: `undefined` for anything that is not exactly one of its replies. Never throws. */
export function parseReply(line: string): Reply | undefined {
  const [verb, ...words] = line.split(' ', MAX_WORDS);
  const [first = '', second = ''] = words;
  switch (verb) {
    case 'NONCE': {
      const observed = parseObserved(second);
      if (words.length > 2 || decodeBase64Url(first)?.length !== 32) return undefined;
      return words.length === 1 || observed !== undefined ? { verb, nonce: first, observed } : undefined;
    }
    case 'SENT':
    case 'ABSENT':
      return words.length === 1 && isId(first) ? { verb, id: first } : undefined;
    case 'MESSAGE': {
      const message = decodeBase64Url(second);
      const seenAt = canonicalAddress(words[2] ?? '');
      if (words.length !== 3 || !isPeerId(first) || message === undefined || seenAt === undefined) return undefined;
      return { verb, from: first, message, seenAt };
    }
    case 'LISTED': {
      if (!isId(first) || words.length - 1 > MAX_NODES) return undefined;
      const nodes = words
        .slice(1)
        .map(parseListed)
        .filter((node) => node !== undefined);
      return nodes.length === words.length - 1 ? { verb, id: first, nodes } : undefined;
    }
    case 'REFUSED':
      if (!/^[a-z-]{1,64}$/.test(first)) return undefined;
      // The rest of the line, however many words it has.
      return { verb, code: first, words: oneLine(line.slice(`REFUSED ${first} `.length)) };
    case 'WELCOME': {
      if (words.length === 0) return { verb, httpPort: undefined, serverId: undefined };
      const httpPort = readPort(second);
      const [, , third, serverId] = words;
      if (first !== 'HTTP' || httpPort === undefined) return undefined;
      if (words.length === 2) return { verb, httpPort, serverId };
      const isNamed = words.length === 4 && third === 'ID' && serverId !== undefined && isId(serverId);
      return isNamed ? { verb, httpPort, serverId } : undefined;
    }
    case 'PONG':
      return words.length === 0 ? { verb } : undefined;
    default:
      return undefined;
  }
}

function formatObserved({ address, port }: Observed): string {
  return port === undefined ? address : formatEndpoint({ address, port });
}

function parseObserved(text: string): Observed | undefined {
  const address = canonicalAddress(text);
  return address === undefined ? parseEndpoint(text) : { address, port: undefined };
}

/** `unl@address` or `unl@address,address`. */
function parseListed(word: string): ListedNode | undefined {
  const [unl = '', addresses = '', ...rest] = word.split('@');
  const seenAt = addresses.split(',').map(canonicalAddress);
  if (!isUnlText(unl) || rest.length > 0 || seenAt.length > MAX_SEEN_AT) return undefined;
  const known = seenAt.filter((address) => address !== undefined);
  return known.length === seenAt.length ? { unl, seenAt: known } : undefined;
}

/** Whose name or key it is the server knows; here it only has to look like one. */
function isServerName(text: string): boolean {
  return /^[a-z0-9._:[\]-]{1,262}$/.test(text) || isPeerId(text);
}

/** 32 bytes in base64url. */
function isTopic(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text);
}

/** A locator is judged by whoever uses it; here it only has to look like one. */
function isUnlText(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,512}$/.test(text);
}
