import type { CloseReason } from '../close-reason.js';
import type { StreamHandler } from '../transport/host.js';
import type { ChannelStream } from './channel-stream.js';

/** What a connection makes of its one stream of bytes in each direction: many channels, or, on a plain link, its own one alone. */
export interface StreamLayer extends Omit<StreamHandler, 'waiting' | 'onEnd' | 'onAcknowledged'> {
  /** What is still to be sent, in bytes, also where it cannot be at the moment. */
  readonly waiting: number;
  /** The connection's own channel. */
  readonly own: ChannelStream;
  /** Whether the application has sent anything on any channel, or opened one. */
  readonly hasSent: boolean;
  /** Whether somebody reads any of its channels. */
  readonly hasReader: boolean;
  /** Whether somebody reads any of them, and has yet to come to its end. */
  readonly isReading: boolean;
  /** Nothing more will be sent on any of them, and none will be opened, for a reason; what was sent before goes out. */
  closeOutbox(reason: CloseReason): void;
  /** Nothing more will come on any of them: after a `cut`, a last line without its end is left out. */
  closeInbox(how: 'ended' | 'cut'): void;
  /** The connection has ended, and all of them with it. */
  complete(reason: CloseReason): void;
}
