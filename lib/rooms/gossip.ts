import { createBroadcast } from './broadcast/broadcast.js';
import type { Broadcast, BroadcastInput, BroadcastOptions, BroadcastOutput } from './broadcast/interface.js';
import type { BroadcastMessage } from './broadcast/messages.js';
import type { PeerId } from '../identity.js';
import type { Machine, Member, Random } from './machine.js';
import type { Overlay, OverlayInput, OverlayOptions, OverlayOutput } from './overlay/interface.js';
import type { OverlayMessage } from './overlay/messages.js';
import { createOverlay } from './overlay/overlay.js';

/** What neighbours say to each other. */
export type GossipMessage = OverlayMessage | BroadcastMessage;

/** What happens: to the overlay or to the broadcast. What the one tells the other is not among it. */
export type GossipInput =
  | Exclude<OverlayInput, { readonly type: 'received' }>
  | Exclude<BroadcastInput, { readonly type: 'received' | 'up' | 'down' }>
  | { readonly type: 'received'; readonly from: PeerId; readonly message: GossipMessage };

/** What is to be done. `up` and `down` are told as well, for those who want to know the neighbours. */
export type GossipOutput =
  | Exclude<OverlayOutput, { readonly type: 'send' }>
  | Exclude<BroadcastOutput, { readonly type: 'send' | 'suspect' }>
  | { readonly type: 'send'; readonly to: PeerId; readonly message: GossipMessage };

export interface GossipConfig {
  /** This node. */
  readonly self: Member;
  readonly random: Random;
  readonly options?: (OverlayOptions & BroadcastOptions) | undefined;
}

/** Both machines of a room as one. */
export interface Gossip extends Machine<GossipInput, GossipOutput> {
  /** The neighbours of now. */
  readonly neighbours: readonly Member[];
  /** Others who are said to be in the room. */
  readonly known: readonly Member[];
}

/**
 * Makes both machines of a member, the overlay and the broadcast, and tells each what the other has to say.
 *
 * @param config this node, chance, and the sizes and times of both.
 *
 * @example
 * const gossip = createGossip({ self: { id: 'me', unl: '…', dialable: true }, random: Math.random });
 * const [dial] = gossip.handle({ type: 'found', members: [{ id: 'you', unl: '…', dialable: true }] }, 0);
 * dial?.type; // 'dial'
 */
export function createGossip(config: GossipConfig): Gossip {
  return new BothMachines(createOverlay(config), createBroadcast({ ...config, own: config.self.id }));
}

class BothMachines implements Gossip {
  constructor(
    readonly overlay: Overlay,
    readonly broadcast: Broadcast,
  ) {}

  get neighbours(): readonly Member[] {
    return this.overlay.neighbours;
  }

  get known(): readonly Member[] {
    return this.overlay.known;
  }

  get wakeAt(): number | undefined {
    const [overlay, broadcast] = [this.overlay.wakeAt, this.broadcast.wakeAt];
    if (overlay === undefined || broadcast === undefined) return overlay ?? broadcast;
    return Math.min(overlay, broadcast);
  }

  handle(input: GossipInput, now: number): readonly GossipOutput[] {
    switch (input.type) {
      case 'received': {
        const { from, message } = input;
        return isOfBroadcast(message)
          ? this.#fromBroadcast(this.broadcast.handle({ type: 'received', from, message }, now), now)
          : this.#fromOverlay(this.overlay.handle({ type: 'received', from, message }, now), now);
      }
      case 'publish':
      case 'checked':
        return this.#fromBroadcast(this.broadcast.handle(input, now), now);
      case 'wake': {
        const { wakeAt } = this.overlay;
        const out = this.#fromBroadcast(this.broadcast.handle(input, now), now);
        if (wakeAt === undefined || wakeAt > now) return out;
        const more = this.#fromOverlay(this.overlay.handle(input, now), now);
        return out.length === 0 ? more : [...out, ...more];
      }
      default:
        return this.#fromOverlay(this.overlay.handle(input, now), now);
    }
  }

  /** What the overlay wants done, then what the broadcast wants since it has other neighbours. */
  #fromOverlay(outputs: readonly OverlayOutput[], now: number): readonly GossipOutput[] {
    if (!outputs.some(({ type }) => type === 'up' || type === 'down')) return outputs;
    const wanted: BroadcastOutput[] = [];
    const gone = new Set<PeerId>();
    for (const output of outputs) {
      if (output.type !== 'up' && output.type !== 'down') continue;
      for (const done of this.broadcast.handle(output, now)) wanted.push(done);
      if (output.type === 'down') gone.add(output.id);
      else gone.delete(output.id);
    }
    // When it heard of the first that is gone, it did not know of the next.
    const possible = wanted.filter((output) => output.type !== 'send' || !gone.has(output.to));
    return [...outputs, ...this.#fromBroadcast(possible, now)];
  }

  /** What the broadcast wants done; then the overlay hears of those who are suspect. */
  #fromBroadcast(outputs: readonly BroadcastOutput[], now: number): readonly GossipOutput[] {
    const all: GossipOutput[] = [];
    const suspects: OverlayInput[] = [];
    for (const output of outputs) {
      if (output.type === 'suspect') suspects.push(output);
      else all.push(output);
    }
    for (const suspect of suspects)
      for (const done of this.#fromOverlay(this.overlay.handle(suspect, now), now)) all.push(done);
    return all;
  }
}

function isOfBroadcast(message: GossipMessage): message is BroadcastMessage {
  switch (message.type) {
    case 'gossip':
    case 'announce':
    case 'graft':
    case 'prune':
    case 'history':
    case 'past':
      return true;
    default:
      return false;
  }
}
