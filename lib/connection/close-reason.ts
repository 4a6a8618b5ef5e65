import { ProtocolError, reasonOf, Rxp2pError, type ErrorCode } from '../errors.js';
import { MAX_RESET_CODE, type End } from '../link/handshake.js';
import { expectInteger } from '../validate.js';

/** Why a connection or a channel ended. */
export interface CloseReason {
  /** The reason as a program sees it. */
  readonly code: CloseCode;
  /** Who ended it. */
  readonly by: 'us' | 'peer';
  /** The reason in words. */
  readonly message: string;
  /** What went wrong on this side, where something did. */
  readonly error?: Rxp2pError | undefined;
  /** The application's own code, where a channel or the connection was reset with one. */
  readonly resetCode?: number | undefined;
}

const CLOSE_CODES = [
  'closed',
  'unfinished',
  'refused',
  'replaced',
  'reset',
  'line-too-long',
  'message-too-long',
  'protocol',
  'send-buffer-full',
  'silent',
  'lost',
  'timeout',
] as const;

/**
 * Why a connection or a channel ended, as a program sees it.
 *
 * - `closed`: in order; nothing was lost.
 * - `unfinished`: the connection was closed in order before the peer had ended this channel: all that the peer has sent came, but it may have wanted
 *   to send more. Never the reason of a connection.
 * - `refused`: the other side does not accept the connection, or channels of this name.
 * - `replaced`: the peer began a new connection, and did not answer on this one.
 * - `reset`: one side ended it at once by `reset`, with a code of the application's.
 * - `line-too-long`, `message-too-long`, `protocol`: one side broke the protocol.
 * - `send-buffer-full`: the peer did not read, and the application went on writing.
 * - `silent`: the peer did not answer, and no other link to it was found within `timing.survivalMs`.
 * - `lost`: the link broke, and no other was found within `timing.survivalMs`; or the peer has lost its side of the connection. A
 *   plain connection is lost as soon as its link is.
 * - `timeout`: the peer did not answer the close.
 *
 * @useDeclaredType
 */
export type CloseCode = (typeof CLOSE_CODES)[number];

/** Closed by this side, in order. */
export const CLOSED_HERE: CloseReason = { code: 'closed', by: 'us', message: 'closed here' };

/** The connection has ended in order, before the peer had ended one of its channels. */
export function unfinishedReason({ by }: CloseReason): CloseReason {
  return { code: 'unfinished', by, message: 'the connection was closed before the peer had ended the channel' };
}

/** The words of a reset are cut off here, in characters: with each of them escaped they still fit a frame of a channel. */
export const RESET_MESSAGE_LENGTH = 128;

/**
 * Reset by this side's application, with its own code.
 *
 * @throws InvalidOptionError for a code that is none.
 */
export function resetHere(
  resetCode = 0,
  message = 'reset by the application',
): CloseReason & { readonly resetCode: number } {
  expectInteger('resetCode', resetCode, 0, MAX_RESET_CODE - 1);
  return { code: 'reset', by: 'us', message: message.slice(0, RESET_MESSAGE_LENGTH), resetCode };
}

/** Dropped by this side, with everything not yet sent. */
export const DROPPED_HERE: CloseReason = { code: 'lost', by: 'us', message: 'dropped here' };

/** The peer did not answer this side's close in time. */
export const CLOSE_UNANSWERED: CloseReason = {
  code: 'timeout',
  by: 'peer',
  message: 'the peer did not answer the close',
};

/** The link broke before the peer had sent anything. */
export const NEVER_BEGUN: CloseReason = {
  code: 'lost',
  by: 'peer',
  message: 'the link broke before the peer had said anything',
};

/** The link broke, and the connection cannot have another. */
export function brokenReason(error: Error | undefined): CloseReason {
  const message = error === undefined ? 'the peer went away without a word' : `the link broke: ${error.message}`;
  return { code: 'lost', by: 'peer', message };
}

/** The link broke, or the peer did not answer on it, and no other link was found in time. */
export function outOfReachReason(hasLink: boolean, lostBy: Error | undefined, survivalMs: number): CloseReason {
  const elsewhere = `led to the peer for ${survivalMs} ms`;
  if (hasLink) return { code: 'silent', by: 'peer', message: `nothing was heard, and nothing else ${elsewhere}` };
  const why = lostBy === undefined ? '' : ` (${lostBy.message})`;
  return { code: 'lost', by: 'peer', message: `the link broke${why}, and nothing ${elsewhere}` };
}

/** Why the peer has ended the connection. Its message is quoted, since it is written from the peer's point of view. */
export function peersReason({ code, message, resetCode }: End): CloseReason {
  // An unknown code, of a later version, may mean a failure, so it does not count as an orderly end.
  const known = CLOSE_CODES.find((one) => one === code && one !== 'unfinished') ?? 'lost';
  if (known === 'closed') return { code: known, by: 'peer', message: 'closed by the peer' };
  const words = `the peer ended the connection: ${message}`;
  return { code: known, by: 'peer', message: words, ...(resetCode !== undefined && { resetCode }) };
}

/** The reason to end a connection with after an error. An error that is not the library's counts as a breach of the protocol. */
export function failureReason(error: unknown): CloseReason {
  const failure =
    error instanceof Rxp2pError
      ? error
      : new ProtocolError(`The connection failed: ${reasonOf(error)}`, { cause: error });
  return { code: FAILURE_CODES.get(failure.code) ?? 'protocol', by: 'us', message: failure.message, error: failure };
}

/** Close codes by the codes of errors. */
const FAILURE_CODES: ReadonlyMap<ErrorCode, CloseCode> = new Map([
  ['LINE_TOO_LONG', 'line-too-long'],
  ['MESSAGE_TOO_LONG', 'message-too-long'],
  ['SEND_BUFFER_FULL', 'send-buffer-full'],
  ['CLOSED', 'lost'],
]);
