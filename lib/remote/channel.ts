import type { BegunBytes } from '../bounds/begun-bytes.js';

/** Why one side has ended a channel at once. */
export interface CallReset {
  readonly code: string;
  readonly message: string;
  /** Why the channel was refused, where it was. */
  readonly refusal?: string | undefined;
}

/** Receives from the channel of a call. */
export interface CallHandler {
  onData(bytes: Buffer): void;
  onEnd(): void;
  onReset(reset: CallReset): void;
  onWritten(): void;
}

/** This side's end of the channel of a call. */
export interface CallChannel {
  /** How many bytes wait to be sent. */
  readonly waiting: number;
  attach(handler: CallHandler): void;
  write(bytes: Buffer): void;
  /** Call this when so many bytes have been read: the peer may then send as many more. */
  read(bytes: number): void;
  end(): void;
  reset(reset: CallReset): void;
}

/** A channel that is told when its connection ends. */
export interface HeldChannel {
  readonly channel: CallChannel;
  /** What all calls of the connection may hold together of values that are not whole. */
  readonly begun: BegunBytes;
  /** Call this when the call is over, and the end of the connection does not matter any more. */
  release(): void;
}

/** Why a connection has ended. */
export interface EndReason {
  readonly message: string;
}

/** A call that is to be made as soon as it is its turn. */
export interface CallOpening {
  /** How long its arguments are, in bytes. */
  readonly bytes: number;
  /** Called once, with its channel; at once, unless others have to be waited for. */
  onOpen(held: HeldChannel): void;
  /** Called when the connection has ended, be the channel open or not. */
  onClosed(reason: EndReason): void;
}

/**
 * Opens the channel of a call. Returns what has it wait no more for its turn.
 *
 * @throws ClosedError when the connection has ended; TooManyChannelsError when too many wait.
 */
export type OpenForCall = (call: CallOpening) => () => void;

/** What a call learns of the end of its connection. */
export interface ConnectionEnding {
  /** This side is closing the connection: what is not written now will not be sent. */
  onClosing(): void;
  /** The connection has ended. */
  onClosed(reason: EndReason): void;
}

/** The names of channels for calls begin with this. An application's own channels cannot have such names. */
const PREFIX = 'rxp2p:remote:';

/** The name of the channels for calls to an object. */
export function callName(format: string, name: string): string {
  return `${PREFIX}${format}:${name}`;
}

/** Whether a channel is for a call. */
export function isCallName(name: string): boolean {
  return name.startsWith(PREFIX);
}
