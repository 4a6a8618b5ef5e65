import { isPeerId, type PeerId } from '../identity.js';
import { MOST_SLOT } from '../pairing/code.js';
import { PAIRING_MESSAGE_MAX_BYTES } from '../pairing/messages.js';
import { isBase64Url, isId, readNumber } from '../validate.js';

// How two nodes meet by a code such as 7-otter-violet, at a server where both have a session. The server knows the number, which is called
// a slot, and never the words.
//
//   INVITE slot                → SLOT slot seconds | NOSLOT slot code
//                                (the slot is this session's for so long; or why not. The node chooses the number)
//   REVOKE slot                  (gives it back)
//   PAIR slot try message        (from a node that has a code; a try has an id that this node has chosen)
//                                TRIED slot try message          (to the session that has the slot)
//                              → UNPAIRED try code               (nobody has the slot; or why the message was not passed on)
//   ANSWER slot try message      (from the session that has the slot)
//                                ANSWERED try message            (to who tries)
//                                NOSLOT slot gave-way            (there is no room for it any more)
//
// Messages are those of `lib/pairing/messages.ts`, in base64url: at most 1,024 bytes, and two of each side in a try.

/** Why there is no slot, or why a message was not passed on. */
export type PairingCode =
  /** Another node has the slot. */
  | 'taken'
  /** The node, or those at its address, have as many as they may. */
  | 'too-many'
  /** The server has no room. */
  | 'table-full'
  /** Another site needed the room more. */
  | 'gave-way'
  /** Nobody has the slot. */
  | 'nobody'
  /** There was too much for this slot, or from this address. */
  | 'too-often'
  /** The store of the server cannot be used now. */
  | 'store-unavailable';

/** Of a later server there may be others. */
const CODE = /^[a-z-]{1,32}$/;

/** A message of the two nodes, as it travels. */
interface Passed {
  readonly slot: number;
  /** The id of the try. */
  readonly id: string;
  /** In base64url. */
  readonly message: string;
}

/** A line to the server. */
export type PairingRequest =
  { readonly verb: 'INVITE' | 'REVOKE'; readonly slot: number } | ({ readonly verb: 'PAIR' | 'ANSWER' } & Passed);

/** A line from the server. */
export type PairingReply =
  | { readonly verb: 'SLOT'; readonly slot: number; readonly seconds: number }
  | { readonly verb: 'NOSLOT'; readonly slot: number; readonly code: string }
  | ({ readonly verb: 'TRIED' } & Passed)
  | { readonly verb: 'UNPAIRED'; readonly id: string; readonly code: string }
  | ({ readonly verb: 'ANSWERED' } & Omit<Passed, 'slot'>);

/** What servers that share a store tell each other, and each itself: a node tries a slot. */
export interface PairingNotice extends Passed {
  readonly from: PeerId;
}

const MESSAGE_MAX_LENGTH = Math.ceil((PAIRING_MESSAGE_MAX_BYTES * 4) / 3);
const MAX_SECONDS = 86_400;
const NOTICE = 'TRY';

/** Writes a line to a server, without its end. */
export function formatPairingRequest(request: PairingRequest): string {
  const start = `${request.verb} ${request.slot}`;
  return 'message' in request ? `${start} ${request.id} ${request.message}` : start;
}

/** Reads a line to a server: `undefined` for anything that is not exactly one of these. Never throws. */
export function parsePairingRequest(line: string): PairingRequest | undefined {
  const [verb, ...words] = line.split(' ', 5);
  switch (verb) {
    case 'INVITE':
    case 'REVOKE': {
      const slot = slotIn(words[0]);
      return words.length === 1 && slot !== undefined ? { verb, slot } : undefined;
    }
    case 'PAIR':
    case 'ANSWER': {
      const passed = words.length === 3 ? passedIn(words) : undefined;
      return passed && { verb, ...passed };
    }
    default:
      return undefined;
  }
}

/** Writes a line from a server, without its end. */
export function formatPairingReply(reply: PairingReply): string {
  switch (reply.verb) {
    case 'SLOT':
      return `SLOT ${reply.slot} ${reply.seconds}`;
    case 'NOSLOT':
      return `NOSLOT ${reply.slot} ${reply.code}`;
    case 'TRIED':
      return `TRIED ${reply.slot} ${reply.id} ${reply.message}`;
    case 'UNPAIRED':
      return `UNPAIRED ${reply.id} ${reply.code}`;
    case 'ANSWERED':
      return `ANSWERED ${reply.id} ${reply.message}`;
  }
}

/** Reads a line from a server: `undefined` for anything that is not exactly one of these. Never throws. */
export function parsePairingReply(line: string): PairingReply | undefined {
  const [verb, ...words] = line.split(' ', 5);
  const [first = '', second = ''] = words;
  switch (verb) {
    case 'SLOT': {
      const [slot, seconds] = [slotIn(first), readNumber(second, 1, MAX_SECONDS)];
      return words.length === 2 && slot !== undefined && seconds !== undefined ? { verb, slot, seconds } : undefined;
    }
    case 'NOSLOT': {
      const slot = slotIn(first);
      return words.length === 2 && slot !== undefined && CODE.test(second) ? { verb, slot, code: second } : undefined;
    }
    case 'TRIED': {
      const passed = words.length === 3 ? passedIn(words) : undefined;
      return passed && { verb, ...passed };
    }
    case 'UNPAIRED':
      return words.length === 2 && isId(first) && CODE.test(second) ? { verb, id: first, code: second } : undefined;
    case 'ANSWERED':
      return words.length === 2 && isId(first) && isMessageText(second)
        ? { verb, id: first, message: second }
        : undefined;
    default:
      return undefined;
  }
}

/** Writes what goes to the session that has a slot, wherever that is. */
export function formatPairingNotice({ slot, id, message, from }: PairingNotice): string {
  return `${NOTICE} ${slot} ${id} ${message} ${from}`;
}

/** Reads what {@link formatPairingNotice} writes: `undefined` for anything else. Never throws. */
export function parsePairingNotice(text: string): PairingNotice | undefined {
  const [start, ...words] = text.split(' ', 6);
  const [, , , from] = words;
  if (start !== NOTICE || words.length !== 4 || !isPeerId(from)) return undefined;
  const passed = passedIn(words);
  return passed && { ...passed, from };
}

function slotIn(text: string | undefined): number | undefined {
  return text === undefined || (text.startsWith('0') && text !== '0') ? undefined : readNumber(text, 0, MOST_SLOT);
}

function passedIn([number, id, message]: readonly string[]): Passed | undefined {
  const slot = slotIn(number);
  return slot !== undefined && isId(id) && message !== undefined && isMessageText(message)
    ? { slot, id, message }
    : undefined;
}

function isMessageText(text: string): boolean {
  return text !== '' && text.length <= MESSAGE_MAX_LENGTH && isBase64Url(text);
}
