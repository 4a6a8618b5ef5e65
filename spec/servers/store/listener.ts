import type { ChannelListener } from '../../../servers/store/store.js';

/** Listens, and keeps what it has heard on which channel. */
export function listener(then: () => void = () => undefined): ChannelListener & { readonly messages: string[] } {
  const messages: string[] = [];
  return {
    messages,
    heard(message, channel) {
      messages.push(`${channel} ${message}`);
      then();
    },
    unheard: fail,
  };
}
