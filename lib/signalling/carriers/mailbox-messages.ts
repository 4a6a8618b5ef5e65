// What mailbox servers and their clients say: JSON by HTTP POST, to `mailbox/put` and `mailbox/take` below the server's URL.
//
//   put   { from, to, id, at, keepMs, message }         → { delivered }
//   take  { owner, at, waitMs, acknowledge, holding }   → { messages: [{ receipt, from, message, seenAt, ageMs }] }
//   any                                                 → { refused, words, now }
//
// `from`, `to` and `owner` are peer ids; `at` and `now` are milliseconds since the epoch, by the clock of the sender of the
// message; `message` is base64url. Putting the same `id` again, from and to the same peer, changes nothing. A take that finds
// nothing waits for `waitMs`. A later take of the same owner ends the waiting one, with an empty answer. Each take brings all
// messages again whose receipts were not acknowledged, except those that the owner lists in `holding`.
//
// The caller (`from`, `owner`) signs the verb, the Host header and the exact bytes of the body, as written at the top of
// `lib/signed-request.ts`. `at` must be within two minutes of the server's clock, and that of a take later than that of the
// owner's take before. A restarted server does not know which takes it has answered. So it refuses a take from before its start
// (`untimely`), and one that is more than 50 ms ahead of its clock, since that could be replayed after the next start. `now` is
// the server's time (for `replayed` the earliest time that it accepts); the owner signs again with that.
//
// What an attacker can do who has seen a request. Replay a put: that changes nothing while the message is kept; later, the
// receiver drops the copy. Replay a take at the same server: nothing, even after a restart, as long as the server remembers the
// owner; owners of the largest site may be forgotten. Replay a take at another server that does not know its own names: read the
// owner's messages there, which are sealed, but delete none, since receipts cannot be guessed and are signed by the owner.
import { isPeerId, type Identity, type PeerId } from '../../identity.js';
import { canonicalAddress } from '../../endpoint.js';
import * as signedRequest from '../../signed-request.js';
import { decodeBase64Url, isTime, parseJsonObject } from '../../validate.js';

/** What a mailbox server can be asked for. */
export type MailboxVerb = 'put' | 'take';

/** A take waits at most this long, in milliseconds: well below what NATs allow a silent connection (RFC 5382 REQ-5). */
export const WAIT_MAX_MS = 30_000;

/**
 * A take may be ahead of the server's clock by this much, in milliseconds: less than a server takes to start anew, so that what it
 * was asked before is older than its start.
 */
export const AHEAD_MS = 50;

/** Receipts in each list of a take. */
export const MAX_RECEIPTS = 256;

/** Messages in one answer. */
export const MAX_TAKEN = 64;

/** The longest request, in bytes: a take with two full lists of the longest receipts. A put of the largest signal is shorter. */
export const REQUEST_MAX_BYTES = 36 * 1024;

/** The longest answer, in bytes. */
export const ANSWER_MAX_BYTES = 512 * 1024;

/** A message for somebody. */
export interface PutRequest {
  readonly from: PeerId;
  readonly to: PeerId;
  /** Unique for its sender and receiver. */
  readonly id: string;
  readonly at: number;
  /** For how long it is of use, in milliseconds. */
  readonly keepMs: number;
  /** Bytes in base64url. */
  readonly message: string;
}

/** Asks for what has come for the caller. */
export interface TakeRequest {
  readonly owner: PeerId;
  readonly at: number;
  /** How long to wait while there is nothing, in milliseconds. */
  readonly waitMs: number;
  /** Receipts of messages that may be deleted. */
  readonly acknowledge: readonly string[];
  /** Receipts of messages that the caller has, and has not dealt with: not to be brought again yet. */
  readonly holding: readonly string[];
}

/** A message that has come. */
export interface TakenMessage {
  /** What acknowledges it. */
  readonly receipt: string;
  /** Who put it there, proven to the server. */
  readonly from: PeerId;
  readonly message: string;
  /** The address from which it was put there. */
  readonly seenAt: string;
  /** For how long it has been there, in milliseconds. */
  readonly ageMs: number;
}

/** Why a server does not do what it was asked, with the HTTP status of each. */
export const REFUSALS = {
  malformed: 400,
  signature: 401,
  clock: 409,
  replayed: 409,
  untimely: 409,
  'too-large': 413,
  'too-often': 429,
  'recipient-full': 429,
  'sender-full': 429,
  'host-full': 429,
  'server-full': 503,
  'too-many-polls': 503,
  'not-saved': 503,
  'store-unavailable': 503,
} as const;

export type RefusalCode = keyof typeof REFUSALS;

/** That a server does not do what it was asked. */
export type Refusal = signedRequest.Refusal<RefusalCode>;

/** Where a verb is asked for. */
export function mailboxUrl(server: URL, verb: MailboxVerb): URL {
  return signedRequest.urlBelow(server, `mailbox/${verb}`);
}

/** The Authorization header (RFC 9110 §11.6.2) of a request. */
export function authorize(identity: Identity, verb: MailboxVerb, host: string, body: string): string {
  return signedRequest.authorizationOf(identity, labelOf(verb), host, body);
}

/** Whether the caller signed a request. Never throws. */
export function isAuthorized(
  caller: PeerId,
  verb: MailboxVerb,
  host: string,
  body: Uint8Array,
  header: string | undefined,
): boolean {
  return signedRequest.isSigned(caller, labelOf(verb), host, body, header);
}

function labelOf(verb: MailboxVerb): string {
  return `mailbox 1 ${verb}`;
}

/** Writes any of these messages. */
export function encode(message: PutRequest | TakeRequest | Refusal | { readonly delivered: boolean }): string {
  return JSON.stringify(message);
}

/** Writes the answer to a take. */
export function encodeTaken(messages: readonly TakenMessage[]): string {
  return JSON.stringify({ messages });
}

/** Reads a put: `undefined` for anything that is none. */
export function decodePut(text: string): PutRequest | undefined {
  const { from, to, id, at, keepMs, message } = parseJsonObject(text) ?? {};
  if (!isPeerId(from) || !isPeerId(to) || !isMailboxName(id) || !isTime(at) || !isTime(keepMs)) return undefined;
  return isMessage(message) ? { from, to, id, at, keepMs, message } : undefined;
}

/** Reads a take: `undefined` for anything that is none. */
export function decodeTake(text: string): TakeRequest | undefined {
  const { owner, at, waitMs, acknowledge, holding } = parseJsonObject(text) ?? {};
  if (!isPeerId(owner) || !isTime(at) || !isTime(waitMs) || waitMs > WAIT_MAX_MS) return undefined;
  return isReceipts(acknowledge) && isReceipts(holding) ? { owner, at, waitMs, acknowledge, holding } : undefined;
}

/** Reads the answer to a put, whether the receiver is there: `undefined` for anything that is none. */
export function decodeDelivered(text: string): boolean | undefined {
  const delivered = parseJsonObject(text)?.['delivered'];
  return typeof delivered === 'boolean' ? delivered : undefined;
}

/** Reads the answer to a take: `undefined` for anything that is none. */
export function decodeTaken(text: string): readonly TakenMessage[] | undefined {
  const messages = parseJsonObject(text)?.['messages'];
  if (!Array.isArray(messages) || messages.length > MAX_TAKEN) return undefined;
  const taken = messages.map(decodeTakenMessage).filter((message) => message !== undefined);
  return taken.length === messages.length ? taken : undefined;
}

/** Reads a refusal: `undefined` for anything that is none. */
export function decodeRefusal(text: string): Refusal | undefined {
  return signedRequest.decodeRefusal(text, REFUSALS);
}

function decodeTakenMessage(value: unknown): TakenMessage | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { receipt, from, message, seenAt, ageMs }: Readonly<Record<string, unknown>> = { ...value };
  const address = typeof seenAt === 'string' ? canonicalAddress(seenAt) : undefined;
  if (!isMailboxName(receipt) || !isPeerId(from) || address === undefined || !isTime(ageMs)) return undefined;
  return isMessage(message) ? { receipt, from, message, seenAt: address, ageMs } : undefined;
}

/** Ids of messages, and receipts: 1 to 64 characters of base64url. */
export function isMailboxName(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(value);
}

function isReceipts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= MAX_RECEIPTS && value.every(isMailboxName);
}

function isMessage(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && decodeBase64Url(value) !== undefined;
}
