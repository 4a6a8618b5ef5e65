import { canonicalAddress, formatEndpoint, parseEndpoint, type Endpoint } from '../../endpoint.js';
import type { Signal } from '../../signalling/signalling.js';
import { isId } from '../../validate.js';
import { oneLine } from '../../words.js';

// What two nodes say to each other to meet at a TURN server that one of them may use, as signals:
//
//   turn-ask      { attempt, from, at }    meet me at that endpoint; without `at`: have your TURN server listen for me
//   turn-answer   { attempt, from, at }    I am on my way there; with `at`: come to that endpoint of mine
//   turn-refusal  { attempt, reason }      no
//
// `from` are the addresses from which the sender may dial, a few, so that the other may have its server let them in.

/** Addresses that a message may name. */
export const MAX_FROM = 8;

/** One node asks another to meet it at a TURN server, or answers that. */
export interface TurnMeeting {
  /** Names the attempt, for the answers to it. */
  readonly attempt: string;
  /** The addresses from which it may dial. */
  readonly from: readonly string[];
  /** Where its TURN server listens for the other. */
  readonly at: Endpoint | undefined;
}

/** What the other says. */
export type TurnReply = TurnMeeting | { readonly attempt: string; readonly refusal: string };

/** Writes a request. */
export function askSignal(ask: TurnMeeting): Signal {
  return { kind: 'turn-ask', body: bodyOf(ask) };
}

/** Writes what the other says. */
export function replySignal(reply: TurnReply): Signal {
  return 'refusal' in reply
    ? { kind: 'turn-refusal', body: { attempt: reply.attempt, reason: reply.refusal } }
    : { kind: 'turn-answer', body: bodyOf(reply) };
}

/** Reads a request: `undefined` for any other signal, and for one that is malformed. Never throws. */
export function readAsk({ kind, body }: Signal): TurnMeeting | undefined {
  return kind === 'turn-ask' ? readMeeting(body) : undefined;
}

/** Reads what the other says: `undefined` for any other signal, and for one that is malformed. Never throws. */
export function readReply({ kind, body }: Signal): TurnReply | undefined {
  const { attempt, reason } = body;
  if (kind === 'turn-answer') return readMeeting(body);
  if (kind !== 'turn-refusal' || !isId(attempt) || typeof reason !== 'string') return undefined;
  return { attempt, refusal: oneLine(reason) };
}

function bodyOf({ attempt, from, at }: TurnMeeting): Signal['body'] {
  return { attempt, from: from.slice(0, MAX_FROM), ...(at !== undefined && { at: formatEndpoint(at) }) };
}

function readMeeting({ attempt, from, at }: Signal['body']): TurnMeeting | undefined {
  if (!isId(attempt) || !Array.isArray(from) || from.length > MAX_FROM) return undefined;
  const addresses = from.map((each) => (typeof each === 'string' ? canonicalAddress(each) : undefined));
  const known = addresses.filter((address) => address !== undefined);
  if (known.length < addresses.length) return undefined;
  const endpoint = typeof at === 'string' ? parseEndpoint(at) : undefined;
  return at === undefined || endpoint !== undefined ? { attempt, from: known, at: endpoint } : undefined;
}
