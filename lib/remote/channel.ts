/** Takes what the channel of a call brings. */
export interface CallHandler {
  onData(bytes: Buffer): void;
  onEnd(): void;
  onReset(reset: { readonly code: string; readonly message: string }): void;
  onWritten(): void;
}

/** This side's end of the channel of a call. */
export interface CallChannel {
  /** What waits to be sent, in bytes. */
  readonly waiting: number;
  attach(handler: CallHandler): void;
  write(bytes: Buffer): void;
  /** So many bytes have been read: the peer may send as many more. */
  read(bytes: number): void;
  end(): void;
  reset(reset: { readonly code: string; readonly message: string }): void;
}

/** A channel with what tells when its connection has ended. */
export interface HeldChannel {
  readonly channel: CallChannel;
  /** Nothing need be told any more. */
  readonly release: () => void;
}

/** Called when the connection has ended. */
export type OnClosed = (reason: { readonly message: string }) => void;

/** What a call learns of the end of its connection. */
export interface ConnectionEnding {
  /** This side is closing it: what is not written now is not sent any more. */
  readonly onClosing: () => void;
  readonly onClosed: OnClosed;
}

/** Channels whose names begin so are not the application's. */
const PREFIX = 'rxp2p:remote:';

/** What the channels of calls to an object are called. */
export function callName(format: string, name: string): string {
  return `${PREFIX}${format}:${name}`;
}

/** Whether a channel is for a call. */
export function isCallName(name: string): boolean {
  return name.startsWith(PREFIX);
}
