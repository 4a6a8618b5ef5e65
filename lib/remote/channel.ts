import type { BegunBytes } from '../bounds/begun-bytes.js';

/** Receives from the channel of a call. */
export interface CallHandler {
  onData(bytes: Buffer): void;
  onEnd(): void;
  onReset(reset: { readonly code: string; readonly message: string }): void;
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
  reset(reset: { readonly code: string; readonly message: string }): void;
}

/** A channel that is told when its connection ends. */
export interface HeldChannel {
  readonly channel: CallChannel;
  /** What all calls of the connection may hold together of values that are not whole. */
  readonly begun: BegunBytes;
  /** Call this when the call is over, and the end of the connection does not matter any more. */
  readonly release: () => void;
}

/** Called when the connection has ended. */
export type OnClosed = (reason: { readonly message: string }) => void;

/** What a call learns of the end of its connection. */
export interface ConnectionEnding {
  /** This side is closing the connection: what is not written now will not be sent. */
  readonly onClosing: () => void;
  readonly onClosed: OnClosed;
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
