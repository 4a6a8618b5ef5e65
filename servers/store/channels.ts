import type { ChannelListener } from './store.js';

/** Who in this process listens on which channel. Most channels have one listener, which needs no set of its own. */
export class Channels {
  readonly #listeners = new Map<string, ChannelListener | Set<ChannelListener>>();

  /** Whether anybody listens on a channel. */
  has(channel: string): boolean {
    return this.#listeners.has(channel);
  }

  /** Hands a message to all who listen on a channel. Returns how many they are. */
  publish(channel: string, message: string): number {
    const listening = this.#listeners.get(channel);
    if (listening === undefined) return 0;
    if (!(listening instanceof Set)) {
      listening.heard(message, channel);
      return 1;
    }
    // A listener may leave, or another come, during the call.
    const all = [...listening];
    for (const listener of all) listener.heard(message, channel);
    return all.length;
  }

  /** Has a listener take the messages on a channel. */
  listen(channel: string, listener: ChannelListener): void {
    const listening = this.#listeners.get(channel);
    if (listening === undefined) this.#listeners.set(channel, listener);
    else if (listening instanceof Set) listening.add(listener);
    else if (listening !== listener) this.#listeners.set(channel, new Set([listening, listener]));
  }

  /** A listener leaves a channel. */
  leave(channel: string, listener: ChannelListener): void {
    const listening = this.#listeners.get(channel);
    if (listening === listener) this.#listeners.delete(channel);
    if (!(listening instanceof Set)) return;
    listening.delete(listener);
    const [only] = listening;
    if (listening.size === 1 && only !== undefined) this.#listeners.set(channel, only);
  }
}
