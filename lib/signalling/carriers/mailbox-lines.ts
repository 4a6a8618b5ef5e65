// What a node and a mailbox server say in a session: lines that end in CRLF, on an HTTP connection that was upgraded (RFC 9110 §7.8) to
// `rxp2p-mailbox/1` by a GET of `mailbox/session` below the server's URL. The server begins:
//
//                                      NONCE nonce now      (a challenge, and its time)
//   PROVE peer host[:port] address:port signature
//                                    → REFUSED code words   (and the server closes), or nothing
//   PUT id peer keepMs message       → DELIVERED id | KEPT id | DECLINED id code words
//   TAKE receipt receipt …             (from now on the server brings what is there and what comes, but for these)
//                                      MESSAGE receipt peer address ageMs message
//   ACK receipt receipt …              (these, brought in this session or named by TAKE, may be deleted)
//   PING                             → PONG now
//
// A node need not wait before it goes on: it may say the first PUT and TAKE together with its proof. The proof says which server the
// node has dialled, as that of a session with a rendezvous server does: so no server can pass on another's challenge as its own. What
// a connection has proven counts for all that is said on it, and nothing said there can be said again by anybody else: no line but the
// proof is signed, and none has to tell the time.
//
// `now` is in milliseconds since the epoch; `message` is base64url. What the server has brought and what TAKE names is not brought again
// in this session before another TAKE; with 256 messages or 256 KiB that were not acknowledged it waits. A later session of the same
// node that says TAKE ends the one before (`replaced`).
import { canonicalAddress, formatEndpoint, parseEndpoint } from '../../endpoint.js';
import { isPeerId, type PeerId } from '../../identity.js';
import type { Dialled } from '../../rendezvous/messages.js';
import * as signedRequest from '../../signed-request.js';
import { decodeBase64Url, isBase64Url, readTime } from '../../validate.js';
import { oneLine } from '../../words.js';
import { isMailboxName, MAX_RECEIPTS, REFUSALS, type RefusalCode, type TakenMessage } from './mailbox-messages.js';

/** How a session is asked for: the protocol of the upgrade. */
export const SESSION_PROTOCOL = 'rxp2p-mailbox/1';

/** The longest line, in bytes: that of the longest message, or of 256 of the longest receipts. */
export const SESSION_LINE_BYTES = 24_576;

/** Words of the line that has most. */
const MAX_WORDS = MAX_RECEIPTS + 1;

/** Why a server ends a session, beside what it may refuse of a message. */
export type SessionRefusalCode =
  | 'bad-proof'
  | 'wrong-server'
  | 'malformed'
  | 'line-too-long'
  | 'too-many-lines'
  | 'too-often'
  | 'too-many-polls'
  | 'idle'
  | 'replaced'
  | 'closing';

/** A line to a mailbox server. */
export type SessionRequest =
  | ({ readonly verb: 'PROVE'; readonly peerId: PeerId; readonly signature: Buffer } & Dialled)
  | {
      readonly verb: 'PUT';
      /** Unique for its sender and receiver. */
      readonly id: string;
      readonly to: PeerId;
      /** For how long it is of use, in milliseconds. */
      readonly keepMs: number;
      /** Bytes in base64url. */
      readonly message: string;
    }
  | { readonly verb: 'TAKE'; readonly holding: readonly string[] }
  | { readonly verb: 'ACK'; readonly receipts: readonly string[] }
  | { readonly verb: 'PING' };

/** A line from a mailbox server. */
export type SessionReply =
  | { readonly verb: 'NONCE'; readonly nonce: string; readonly now: number }
  | { readonly verb: 'DELIVERED' | 'KEPT'; readonly id: string }
  | { readonly verb: 'DECLINED'; readonly id: string; readonly code: RefusalCode; readonly words: string }
  | ({ readonly verb: 'MESSAGE' } & TakenMessage)
  | { readonly verb: 'PONG'; readonly now: number }
  | { readonly verb: 'REFUSED'; readonly code: string; readonly words: string };

/** Where a session is asked for. */
export function sessionUrl(server: URL): URL {
  return signedRequest.urlBelow(server, 'mailbox/session');
}

/** What a node signs to prove its key to a mailbox server: the nonce, and that it is for this server and nothing else. */
export function sessionProofOf(nonce: string, peerId: PeerId, { server, at }: Dialled): Buffer {
  return Buffer.from(`rxp2p mailbox 2 ${nonce} ${peerId} ${server} ${formatEndpoint(at)}`);
}

/** Writes a line to a server, without its end. */
export function formatSessionRequest(request: SessionRequest): string {
  switch (request.verb) {
    case 'PROVE': {
      const { peerId, server, at, signature } = request;
      return `PROVE ${peerId} ${server} ${formatEndpoint(at)} ${signature.toString('base64url')}`;
    }
    case 'PUT':
      return `PUT ${request.id} ${request.to} ${request.keepMs} ${request.message}`;
    case 'TAKE':
      return ['TAKE', ...request.holding].join(' ');
    case 'ACK':
      return ['ACK', ...request.receipts].join(' ');
    case 'PING':
      return 'PING';
  }
}

/** Reads a line to a server: `undefined` for anything that is not exactly one of its verbs. Never throws. */
export function parseSessionRequest(line: string): SessionRequest | undefined {
  const [verb, ...words] = line.split(' ', MAX_WORDS + 1);
  switch (verb) {
    case 'PROVE': {
      const [peerId = '', server = '', where = '', signed = ''] = words;
      const [at, signature] = [parseEndpoint(where), decodeBase64Url(signed)];
      if (words.length !== 4 || !isPeerId(peerId) || !isHost(server)) return undefined;
      return at && signature && { verb, peerId, server, at, signature };
    }
    case 'PUT': {
      const [id = '', to = '', keep = '', message = ''] = words;
      const keepMs = readTime(keep);
      if (words.length !== 4 || !isMailboxName(id) || !isPeerId(to) || keepMs === undefined) return undefined;
      return message !== '' && isBase64Url(message) ? { verb, id, to, keepMs, message } : undefined;
    }
    case 'TAKE':
      return areReceipts(words) ? { verb, holding: words } : undefined;
    case 'ACK':
      return words.length > 0 && areReceipts(words) ? { verb, receipts: words } : undefined;
    case 'PING':
      return words.length === 0 ? { verb } : undefined;
    default:
      return undefined;
  }
}

/** Writes a line from a server, without its end. */
export function formatSessionReply(reply: SessionReply): string {
  switch (reply.verb) {
    case 'NONCE':
      return `NONCE ${reply.nonce} ${reply.now}`;
    case 'DELIVERED':
    case 'KEPT':
      return `${reply.verb} ${reply.id}`;
    case 'DECLINED':
      return `DECLINED ${reply.id} ${reply.code} ${reply.words}`;
    case 'MESSAGE':
      return `MESSAGE ${reply.receipt} ${reply.from} ${reply.seenAt} ${reply.ageMs} ${reply.message}`;
    case 'REFUSED':
      return `REFUSED ${reply.code} ${reply.words}`;
    case 'PONG':
      return `PONG ${reply.now}`;
  }
}

/** Reads a line from a server: `undefined` for anything that is not exactly one of its replies. Never throws. */
export function parseSessionReply(line: string): SessionReply | undefined {
  const [verb, ...words] = line.split(' ', MAX_WORDS);
  const [first = '', second = ''] = words;
  switch (verb) {
    case 'NONCE': {
      const now = readTime(second);
      if (words.length !== 2 || decodeBase64Url(first)?.length !== 32 || now === undefined) return undefined;
      return { verb, nonce: first, now };
    }
    case 'DELIVERED':
    case 'KEPT':
      return words.length === 1 && isMailboxName(first) ? { verb, id: first } : undefined;
    case 'DECLINED':
      if (!isMailboxName(first) || !isRefusalCode(second)) return undefined;
      return { verb, id: first, code: second, words: oneLine(line.slice(`DECLINED ${first} ${second} `.length)) };
    case 'MESSAGE': {
      const [, , third = '', age = '', message = ''] = words;
      const [seenAt, ageMs] = [canonicalAddress(third), readTime(age)];
      if (words.length !== 5 || !isMailboxName(first) || !isPeerId(second) || seenAt === undefined) return undefined;
      if (ageMs === undefined || message === '' || !isBase64Url(message)) return undefined;
      return { verb, receipt: first, from: second, seenAt, ageMs, message };
    }
    case 'REFUSED':
      if (!/^[a-z-]{1,64}$/.test(first)) return undefined;
      return { verb, code: first, words: oneLine(line.slice(`REFUSED ${first} `.length)) };
    case 'PONG': {
      const now = readTime(first);
      return words.length === 1 && now !== undefined ? { verb, now } : undefined;
    }
    default:
      return undefined;
  }
}

function isRefusalCode(code: string): code is RefusalCode {
  return Object.hasOwn(REFUSALS, code);
}

function areReceipts(words: readonly string[]): boolean {
  return words.length <= MAX_RECEIPTS && words.every(isMailboxName);
}

/** A host as in a `Host` header, in lower case. Whether it is the server's is for the server to say. */
function isHost(text: string): boolean {
  return /^[a-z0-9._:[\]-]{1,262}$/.test(text);
}
