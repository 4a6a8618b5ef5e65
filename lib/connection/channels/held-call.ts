import type { BegunBytes } from '../../bounds/begun-bytes.js';
import type { ConnectionEnding, EndReason, HeldChannel } from '../../remote/channel.js';
import type { ChannelEnd } from './channel-end.js';
import type { PeerChannel } from './peer-channel.js';

/** The members of a channel that its connection uses. */
export type OpenChannel = Pick<
  PeerChannel,
  'hasReader' | 'isReading' | 'closeOutbox' | 'connectionEnds' | 'connectionClosed'
>;

/** The channel of a call, while the call is under way. It ends with its connection; a connection that is being closed does not wait for it. */
export class HeldCall implements HeldChannel, OpenChannel {
  readonly hasReader = false;
  readonly isReading = false;
  readonly #ending: ConnectionEnding;
  readonly #open: Set<OpenChannel>;

  constructor(
    readonly channel: ChannelEnd,
    readonly begun: BegunBytes,
    ending: ConnectionEnding,
    open: Set<OpenChannel>,
  ) {
    this.#ending = ending;
    this.#open = open;
    open.add(this);
  }

  release(): void {
    this.#open.delete(this);
  }

  closeOutbox(): void {
    this.#ending.onClosing();
  }

  connectionEnds(): void {
    // The call ends when its channel does, or when the connection is closed.
  }

  connectionClosed(reason: EndReason): void {
    this.#ending.onClosed(reason);
  }
}
