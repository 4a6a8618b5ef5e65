import { firstValueFrom, Subscription } from 'rxjs';
import type { Endpoint, ServerAddress } from '../../lib/endpoint.js';
import { createIdentity, type PeerId } from '../../lib/identity.js';
import { systemRuntime } from '../../lib/runtime.js';
import type { Delivery } from '../../lib/signalling/carrier.js';
import { dhtCarrier, type DhtCarrier } from '../../lib/signalling/carriers/dht.js';
import { liar$ } from './liar.js';

/** A parcel that came to one of the nodes of a swarm. */
export interface Arrival {
  readonly to: PeerId;
  readonly text: string;
}

/** Many nodes of a DHT in one process, each with an address of its own, that join, leave and send. */
export class Swarm {
  readonly #nodes = new Map<PeerId, { readonly carrier: DhtCarrier; readonly subscription: Subscription }>();
  readonly #liars: Endpoint[] = [];
  readonly #all = new Subscription();

  constructor(
    readonly bootstrap: readonly ServerAddress[],
    readonly onArrival: (arrival: Arrival) => void,
  ) {}

  /** Starts a node that is part of the DHT; resolves to its peer id once it is. */
  async join(bind: string): Promise<PeerId> {
    const identity = createIdentity();
    const { peerId } = identity;
    const { bootstrap } = this;
    const carrier = dhtCarrier({
      identity,
      bind,
      address: bind,
      bootstrap,
      runtime: systemRuntime,
      trace: () => undefined,
    });
    const subscription = carrier.parcel$.subscribe({
      next: ({ bytes, acknowledge }) => {
        acknowledge();
        this.onArrival({ to: peerId, text: bytes.toString() });
      },
      error: (error: unknown) => {
        throw error;
      },
    });
    this.#all.add(subscription);
    this.#nodes.set(peerId, { carrier, subscription });
    await firstValueFrom(carrier.observed$);
    return peerId;
  }

  /** Starts a node that lies and drops what it gets. */
  async lie(bind: string): Promise<void> {
    const endpoint = await new Promise<Endpoint>((resolve, reject) => {
      this.#all.add(liar$(bind, this.bootstrap, this.#liars).subscribe({ next: resolve, error: reject }));
    });
    this.#liars.push(endpoint);
  }

  /** A node goes away without a word. */
  leave(peerId: PeerId): void {
    this.#nodes.get(peerId)?.subscription.unsubscribe();
    this.#nodes.delete(peerId);
  }

  send(from: PeerId, to: PeerId, text: string): Promise<Delivery> {
    const carrier = this.#nodes.get(from)?.carrier;
    if (carrier === undefined) return Promise.resolve('absent');
    return firstValueFrom(carrier.send$(to, Buffer.from(text), { keepMs: 60_000 }));
  }

  close(): void {
    this.#all.unsubscribe();
  }
}
