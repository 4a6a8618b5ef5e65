import type { CloseReason } from '../close-reason.js';
import type { StreamHandler } from '../transport/host.js';
import type { ChannelStream } from './channel-stream.js';

/** The channels over the one stream of a connection: many, or on a plain link only the connection's own. */
export interface StreamLayer extends Omit<StreamHandler, 'waiting' | 'onEnd' | 'onAcknowledged'> {
  /** How many bytes wait to be sent, including those for which there is no credit. */
  readonly waiting: number;
  /** The connection's own channel. */
  readonly own: ChannelStream;
  /** Whether the application has sent anything on any channel, or opened one. */
  readonly hasSent: boolean;
  /** Whether somebody reads any of its channels. */
  readonly hasReader: boolean;
  /** Whether somebody reads any of them, and has not read everything up to its end. */
  readonly isReading: boolean;
  /** Ends sending on all of them, after what was sent before. None can be opened any more. */
  closeOutbox(reason: CloseReason): void;
  /** Nothing more will come on any of them. After a `cut`, a last line without its line end is dropped. */
  closeInbox(how: 'ended' | 'cut'): void;
  /** The connection has ended, and all of them with it. */
  complete(reason: CloseReason): void;
}
