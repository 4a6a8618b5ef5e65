import type { Server } from 'node:net';
import { asyncScheduler, firstValueFrom, Subscription, type Observable, type SchedulerLike } from 'rxjs';
import { createNet, type Connection, type Net, type NetConfig } from '../../lib/index.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { rendezvousServer$, type RendezvousServer, type RendezvousServerConfig } from '../../servers/index.js';

// Each node of a spec has a loopback address of its own, as PyP2P's virtual interfaces. Specs run in several processes at once,
// and gateways listen at ports that are fixed: each process has a network for itself.
const NETWORK = `127.${16 + (process.pid % 200)}`;
let lastAddress = 0;

/** A loopback address that no other node has. */
export function newAddress(): string {
  lastAddress++;
  return `${NETWORK}.${lastAddress >> 8}.${lastAddress & 0xff}`;
}

/** What passes for a public address where a node would not dial a loopback address for a stranger: 45.45.n.n for a new one. */
export const publicNameOf = (address: string): string => address.replace(`${NETWORK}.`, '45.45.');

/** The loopback address that passes for a public one. */
export const addressBehind = (publicName: string): string => publicName.replace(/^45\.45\./, `${NETWORK}.`);

/** Opens nets and servers for one spec, and closes them after it. */
export class Lab {
  readonly #nets: Net[] = [];
  readonly #subscriptions: Subscription[] = [];

  /** A net in direct mode, unless told otherwise, on its own address. What is lost is soon given up. */
  net(config: Partial<NetConfig> = {}, runtime?: Runtime): Net {
    const timing = { survivalMs: 200, ...config.timing };
    const net = createNet({ mode: 'direct', bind: newAddress(), ...config, timing }, runtime);
    this.#nets.push(net);
    return net;
  }

  /** A rendezvous server on a port of its own. */
  async server(
    config: RendezvousServerConfig = {},
    time: { readonly now?: () => number; readonly scheduler?: SchedulerLike } = {},
  ): Promise<RendezvousServer & { readonly address: string; readonly stop: () => void }> {
    let subscription: Subscription | undefined;
    const server = await new Promise<RendezvousServer>((resolve, reject) => {
      subscription = rendezvousServer$({ bind: '127.0.0.1', port: 0, ...config }, runtimeAt(time)).subscribe({
        next: resolve,
        error: reject,
      });
    });
    const stop = () => subscription?.unsubscribe();
    if (subscription !== undefined) this.#subscriptions.push(subscription);
    return { ...server, address: `127.0.0.1:${server.local.port}`, stop };
  }

  /** Two nets with a connection between them, as each side has it. */
  async pair(
    config: Partial<NetConfig> = {},
    peerConfig: Partial<NetConfig> = config,
  ): Promise<{ readonly here: Connection; readonly there: Connection; readonly net: Net; readonly peer: Net }> {
    const [net, peer] = [this.net(config), this.net(peerConfig)];
    const unl = await firstValueFrom(peer.unl$);
    const arriving = firstValueFrom(peer.connections$);
    const here = await firstValueFrom(net.connect$(unl));
    return { here, there: await arriving, net, peer };
  }

  /** Subscribes until the spec is over. */
  collect<T>(source$: Observable<T>): T[] {
    const values: T[] = [];
    this.#subscriptions.push(source$.subscribe({ next: (value) => values.push(value), error: () => undefined }));
    return values;
  }

  /** Subscribes until the spec is over. Resolves to the first value. */
  open<T>(source$: Observable<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.use(source$.subscribe({ next: resolve, error: reject }));
    });
  }

  /** Ends something when the spec is over. */
  use<T extends Subscription>(subscription: T): T {
    this.#subscriptions.push(subscription);
    return subscription;
  }

  /** Does something when the spec is over. */
  onClose(action: () => unknown): void {
    this.use(new Subscription(() => void action()));
  }

  /** Closes everything. */
  async close(): Promise<void> {
    await Promise.all(this.#nets.splice(0).map((net) => net.close(200)));
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }
}

/** The real runtime, but for the time of day, or all of the time. */
function runtimeAt({ now, scheduler }: { readonly now?: () => number; readonly scheduler?: SchedulerLike }): Runtime {
  if (scheduler !== undefined) return { ...systemRuntime, scheduler };
  if (now === undefined) return systemRuntime;
  return { ...systemRuntime, scheduler: { now, schedule: asyncScheduler.schedule.bind(asyncScheduler) } };
}

/** The error that an Observable fails with. */
export async function failureOf(source$: Observable<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    source$.subscribe({
      error: resolve,
      complete: () => {
        reject(new Error('Expected a failure, but it completed'));
      },
    });
  });
}

/** Where a server listens. */
export function addressOf(server: Server): { readonly address: string; readonly port: number } {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('Expected a server that listens');
  return { address: bound.address, port: bound.port };
}
