import { clean } from './words.js';

/** Stable, machine-readable names of everything that can go wrong. */
export type ErrorCode =
  | 'INVALID_OPTION'
  | 'INVALID_UNL'
  | 'INVALID_TEXT'
  | 'IDENTITY'
  | 'DIAL_FAILED'
  | 'LISTEN_FAILED'
  | 'PEER_MISMATCH'
  | 'PROTOCOL'
  | 'LINE_TOO_LONG'
  | 'INVALID_MESSAGE'
  | 'MESSAGE_TOO_LONG'
  | 'TOO_MANY_CHANNELS'
  | 'REMOTE'
  | 'REMOTE_REFUSED'
  | 'SEND_BUFFER_FULL'
  | 'TIMEOUT'
  | 'CLOSED'
  | 'CONNECT_FAILED'
  | 'RENDEZVOUS'
  | PairingErrorCode
  | 'HTTP'
  | 'PORT_MAPPING'
  | 'STORE'
  | 'FILES'
  | 'UNAVAILABLE';

/**
 * Why two nodes have not met by a code.
 *
 * - `CODE_EXPIRED`: nobody has typed it while it was good.
 * - `CODE_WRONG`: the words were not those of the code; to who shows it: so they were three times, and it is closed.
 * - `CODE_USED`: another node was first.
 * - `CODE_UNKNOWN`: nobody shows this code at the servers that this node uses.
 * - `CODE_OWN`: it is this node's own code.
 * - `CODE_UNANSWERED`: who shows it does not answer, or what comes is no answer.
 * - `CODE_UNAVAILABLE`: there is no server to meet at, or it has no room.
 */
export type PairingErrorCode =
  'CODE_EXPIRED' | 'CODE_WRONG' | 'CODE_USED' | 'CODE_UNKNOWN' | 'CODE_OWN' | 'CODE_UNANSWERED' | 'CODE_UNAVAILABLE';

/** The base class of this library's errors: an `Error` with a stable {@link ErrorCode} and, where there is one, its `cause`. */
export class Rxp2pError extends Error {
  constructor(
    /** What went wrong, for programs: it stays the same when the message changes. */
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    // Many messages quote peers and servers.
    super(clean(message), options);
    this.name = new.target.name;
  }
}

/** The application passed an invalid value (`INVALID_OPTION`). The message says what was expected and what came. */
export class InvalidOptionError extends Rxp2pError {
  constructor(message: string, options?: ErrorOptions) {
    super('INVALID_OPTION', message, options);
  }
}

/** A locator that cannot be read, or cannot be written (`INVALID_UNL`). */
export class InvalidUnlError extends Rxp2pError {
  constructor(message: string, options?: ErrorOptions) {
    super('INVALID_UNL', message, options);
  }
}

/** A text that cannot travel as one line (`INVALID_TEXT`). */
export class InvalidTextError extends Rxp2pError {
  constructor(message: string) {
    super('INVALID_TEXT', message);
  }
}

/** A key file that cannot be read, written or trusted (`IDENTITY`). */
export class IdentityError extends Rxp2pError {
  constructor(message: string, options?: ErrorOptions) {
    super('IDENTITY', message, options);
  }
}

/** A TCP or TLS connection that could not be opened (`DIAL_FAILED`). */
export class DialError extends Rxp2pError {
  constructor(message: string, options?: ErrorOptions) {
    super('DIAL_FAILED', message, options);
  }
}

/** A local port that could not be listened on (`LISTEN_FAILED`). */
export class ListenError extends Rxp2pError {
  constructor(message: string, options?: ErrorOptions) {
    super('LISTEN_FAILED', message, options);
  }
}

/** Another peer answered: it proved another key than the expected one (`PEER_MISMATCH`). Nothing was sent to it. */
export class PeerMismatchError extends Rxp2pError {
  constructor(
    /** The peer id that was asked for. */
    readonly expected: string,
    /** The peer id that was proven. */
    readonly actual: string,
  ) {
    super(
      'PEER_MISMATCH',
      `Expected the peer to prove the key ${expected}, but ${actual} answered. ` +
        'Nothing was sent to it. If the peer made a new key, ask it for its new UNL.',
    );
  }
}

/** The other side violated the protocol (`PROTOCOL`). */
export class ProtocolError extends Rxp2pError {
  constructor(message: string, options?: ErrorOptions) {
    super('PROTOCOL', message, options);
  }
}

/** A line longer than the limit: the connection it came on is closed (`LINE_TOO_LONG`). */
export class LineTooLongError extends Rxp2pError {
  constructor(
    /** The longest line allowed, in bytes. */
    readonly limit: number,
  ) {
    super('LINE_TOO_LONG', `Expected a line of at most ${limit} bytes, got a longer one`);
  }
}

/** The peer sent a message that is longer than `limits.messageBytes` (`MESSAGE_TOO_LONG`). */
export class MessageTooLongError extends Rxp2pError {
  constructor(
    /** The longest message allowed, in bytes. */
    readonly limit: number,
  ) {
    super('MESSAGE_TOO_LONG', `Expected a message of at most ${limit} bytes, got a longer one`);
  }
}

/** Bytes that cannot travel as one message (`INVALID_MESSAGE`). */
export class InvalidMessageError extends Rxp2pError {
  constructor(message: string, options?: ErrorOptions) {
    super('INVALID_MESSAGE', message, options);
  }
}

/** A method of an object at the peer has failed (`REMOTE`): its error as far as it is told here; the stack stays there. */
export class RemoteError extends Rxp2pError {
  constructor(
    message: string,
    /** The error's own name. */
    readonly remoteName: string,
    /** The error's own `code`, where it has one. */
    readonly remoteCode?: string | number,
  ) {
    super('REMOTE', message);
  }
}

/**
 * Why a method of an object at the peer was not called, or could not go on.
 *
 * - `unknown-name`: the peer exposes nothing by this name, or not with this codec; or has withdrawn it.
 * - `too-many-channels`: this node has as many channels open as the peer allows, or has reset too many.
 * - `refused`: the peer does not say why.
 * - `unknown-method`: the object has no such method.
 * - `invalid-arguments`: they do not fit the peer's schema.
 * - `invalid-value`: a value does not fit this side's schema.
 * - `too-many-calls`: this node has as many under way as the peer allows, or begins too many.
 * - `overflow`: an Observable had more values than its caller took, or all calls together had, and this one most.
 */
export type RefusalReason =
  | 'unknown-name'
  | 'unknown-method'
  | 'invalid-arguments'
  | 'invalid-value'
  | 'too-many-calls'
  | 'too-many-channels'
  | 'overflow'
  | 'refused';

/** A method of an object at the peer was not called, or could not go on (`REMOTE_REFUSED`). */
export class RemoteRefusedError extends Rxp2pError {
  constructor(
    /** Why: see {@link RefusalReason}; a later version may have others. */
    readonly reason: RefusalReason | (string & {}),
    message: string,
  ) {
    super('REMOTE_REFUSED', message);
  }
}

/**
 * A connection has as many channels as it may, or the peer has yet to answer too many, or too many calls wait for their turn
 * (`TOO_MANY_CHANNELS`).
 */
export class TooManyChannelsError extends Rxp2pError {
  constructor(message: string) {
    super('TOO_MANY_CHANNELS', message);
  }
}

/** The peer does not read and the application went on writing (`SEND_BUFFER_FULL`). */
export class SendBufferFullError extends Rxp2pError {
  constructor(
    /** How many bytes may wait: `limits.sendMaxBytes`, or half of that for an Observable given to `sendAll`. */
    readonly limit: number,
  ) {
    super(
      'SEND_BUFFER_FULL',
      `More than ${limit} bytes wait for a peer that does not read them ` +
        '(`limits.sendMaxBytes`, of which an Observable given to `sendAll` may use half). ' +
        'Stop when `send` returns false and go on at `drain$`, or give `sendAll` an iterable.',
    );
  }
}

/** Something took longer than its limit (`TIMEOUT`). */
export class TimeoutError extends Rxp2pError {
  constructor(message: string) {
    super('TIMEOUT', message);
  }
}

/** The net or the connection is closed (`CLOSED`). */
export class ClosedError extends Rxp2pError {
  constructor(message: string, options?: ErrorOptions) {
    super('CLOSED', message, options);
  }
}

/** A rendezvous server refused, or violated its protocol (`RENDEZVOUS`). */
export class RendezvousError extends Rxp2pError {
  constructor(
    message: string,
    /** The server's own code, where it gave one. */
    readonly refusal?: string,
    options?: ErrorOptions,
  ) {
    super('RENDEZVOUS', message, options);
  }
}

/** Two nodes have not met by a code: see {@link PairingErrorCode}. */
export class PairingError extends Rxp2pError {
  constructor(
    override readonly code: PairingErrorCode,
    message: string,
    options?: ErrorOptions,
    /** How often the words of this node's code were typed wrong, or guessed; with those of the codes before it. */
    readonly wrongTries = 0,
  ) {
    super(code, message, options);
  }
}

/** An HTTP request without an answer, or with one that is not what was asked for (`HTTP`). */
export class HttpError extends Rxp2pError {
  constructor(message: string, options?: ErrorOptions) {
    super('HTTP', message, options);
  }
}

/** A gateway did not open a port (`PORT_MAPPING`). */
export class PortMappingError extends Rxp2pError {
  constructor(
    message: string,
    /** The gateway's own code, where it gave one: of UPnP's errors, or a result code of NAT-PMP (RFC 6886 §3.5) or PCP (RFC 6887 §7.4). */
    readonly refusal?: number,
    options?: ErrorOptions,
  ) {
    super('PORT_MAPPING', message, options);
  }
}

/** A server cannot use its data folder (`STORE`). */
export class StoreError extends Rxp2pError {
  constructor(message: string, options?: ErrorOptions) {
    super('STORE', message, options);
  }
}

/**
 * Why files were not sent or received, or not all of them.
 *
 * - `refused`: the receiver does not want them.
 * - `unsafe-name`: a name cannot be written, here or there, or leads out of the folder.
 * - `exists`: other files are there by these names.
 * - `disk-full`: the receiver's disk is full. What has come is kept: the same transfer goes on from there.
 * - `unreadable`: what is to be sent cannot be read, or the folder cannot be written to.
 * - `interrupted`: one side has given up. What has come is kept.
 * - `protocol`: one side has violated the protocol.
 */
export type FilesFailure =
  'refused' | 'unsafe-name' | 'exists' | 'disk-full' | 'unreadable' | 'interrupted' | 'protocol';

/** Files were not sent or received (`FILES`). */
export class FilesError extends Rxp2pError {
  constructor(
    /** Why: see {@link FilesFailure}. */
    readonly reason: FilesFailure,
    message: string,
    options?: ErrorOptions,
  ) {
    super('FILES', message, options);
  }
}

/** What is asked for needs a package, or a part of the library, that is not installed, cannot be loaded, or does not run by this runtime (`UNAVAILABLE`). */
export class UnavailableError extends Rxp2pError {
  constructor(message: string, options?: ErrorOptions) {
    super('UNAVAILABLE', message, options);
  }
}

/** How one technique ended in an attempt that failed. */
export interface AttemptFailure {
  /** Its name. */
  readonly technique: string;
  /** What went wrong, in words. */
  readonly reason: string;
  /** How long it took, in milliseconds. */
  readonly elapsedMs: number;
  /** What was thrown. */
  readonly error: unknown;
}

/** No technique reached the peer (`CONNECT_FAILED`). */
export class ConnectError extends Rxp2pError {
  constructor(
    /** The peer that was to be reached: its peer id, or the node id of a node of PyP2P's. */
    readonly peerId: string,
    /** How each technique ended. */
    readonly attempts: readonly AttemptFailure[],
    options?: ErrorOptions,
    /** What is wrong with each server that could have carried a signal to the peer, when none could. */
    readonly unreachable: readonly string[] = [],
  ) {
    const servers = unreachable.length === 0 ? '' : `. No signal could be sent: ${unreachable.join('; ')}`;
    const reasons = attempts.map(({ technique, reason }) => `${technique}: ${reason}`).join('; ');
    super(
      'CONNECT_FAILED',
      `No technique connected to ${peerId}${reasons === '' ? ': none is applicable' : `: ${reasons}`}${servers}`,
      options,
    );
  }
}

/**
 * The reason of a thrown value, in words; for an AggregateError, the reasons of all its errors. Never empty, and without control
 * characters, since it may quote a server.
 *
 * @example
 * reasonOf(new Error('connect ECONNREFUSED 127.0.0.1:1')); // 'connect ECONNREFUSED 127.0.0.1:1'
 */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map(reasonOf))].join('; ');
  }
  if (!(error instanceof Error)) return clean(String(error));
  return clean(error.message === '' ? error.name : error.message);
}

/** The system's codes in what was thrown, in its parts and causes, each once. */
function codesOf(error: unknown): readonly string[] {
  if (error instanceof AggregateError) return [...new Set(error.errors.flatMap(codesOf))];
  if (!(error instanceof Error)) return [];
  if (!(error instanceof Rxp2pError) && 'code' in error && typeof error.code === 'string') return [error.code];
  return codesOf(error.cause);
}

/** The error codes of Node's HTTP parser begin with this. */
const NOT_HTTP = 'HPE_';

/**
 * What is wrong with a server, as the rest of a sentence that begins with its name.
 *
 * @param what what it should be.
 *
 * @example
 * const cause = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
 * failureOf(cause, 'rendezvous server'); // 'cannot be reached (ENOTFOUND)'
 */
export function failureOf(error: unknown, what: string): string {
  // The fault is on this machine, not at the server.
  if (error instanceof UnavailableError || error instanceof ListenError) return `cannot be asked: ${error.message}`;
  const codes = codesOf(error);
  if (codes.some((code) => code.startsWith(NOT_HTTP))) return `answers, but is no ${what}`;
  if (codes.length > 0) return `cannot be reached (${codes.join(', ')})`;
  return error instanceof TimeoutError ? 'does not answer' : `failed: ${reasonOf(error)}`;
}
