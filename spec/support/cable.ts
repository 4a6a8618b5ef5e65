import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { defer, from, Subject, switchMap, take, type Observable } from 'rxjs';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { addressOf } from './nodes.js';

/** A TCP connection through the cable: the socket of the side that has dialled, and the one to where it wants. */
type Ends = readonly [Socket, Socket];

/**
 * All that nodes dial with its runtime goes through real TCP proxies here, so that a spec can cut it, mute it, and let it through
 * again.
 */
export class Cable {
  /** For the nodes that are on it. */
  readonly runtime: Runtime = {
    ...systemRuntime,
    dial$: ({ host, port, localAddress }) =>
      defer(() => from(this.#proxyTo(host, port))).pipe(
        switchMap((proxy) => systemRuntime.dial$({ host: '127.0.0.1', port: proxy, localAddress })),
      ),
  };

  /** So many bytes go through each further connection, one number after the other and from the first again; then it breaks. */
  wear: readonly number[] = [];
  /** Connections that were let through so far. */
  made = 0;
  readonly #refused = new Subject<void>();
  readonly #proxies = new Map<string, Promise<number>>();
  readonly #servers: Server[] = [];
  readonly #open = new Set<Ends>();
  #isPlugged = true;

  /** Breaks all connections: both sides are told. */
  cut(): void {
    for (const ends of this.#open) for (const end of ends) end.destroy();
  }

  /** Nothing arrives any more on the connections that there are, and nobody is told. */
  mute(): void {
    for (const ends of this.#open) for (const end of ends) end.unpipe().pause();
  }

  /** Breaks each new connection at once. */
  refuse(): void {
    this.#isPlugged = false;
  }

  /** Breaks all connections, and each new one at once. */
  unplug(): void {
    this.refuse();
    this.cut();
  }

  /** Lets new connections through again. */
  plug(): void {
    this.#isPlugged = true;
  }

  /** Emits once, when somebody has dialled in vain from now on. */
  get refused$(): Observable<void> {
    return this.#refused.pipe(take(1));
  }

  /** Cuts everything, and takes no more. */
  close(): void {
    this.unplug();
    for (const server of this.#servers) server.close();
  }

  async #proxyTo(host: string, port: number): Promise<number> {
    const name = `${host}:${port}`;
    const proxy = this.#proxies.get(name) ?? this.#listen(host, port);
    this.#proxies.set(name, proxy);
    return proxy;
  }

  async #listen(host: string, port: number): Promise<number> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      socket.on('error', () => undefined);
      if (this.#isPlugged) this.#join(socket, connect({ host, port, allowHalfOpen: true, noDelay: true }));
      else {
        socket.destroy();
        this.#refused.next();
      }
    }).listen(0, '127.0.0.1');
    this.#servers.push(server);
    await once(server, 'listening');
    return addressOf(server).port;
  }

  #join(...ends: Ends): void {
    const [near, far] = ends;
    let left = this.wear[this.made % this.wear.length] ?? Infinity;
    this.made++;
    this.#open.add(ends);
    for (const [end, other] of [
      [near, far],
      [far, near],
    ] as const) {
      end.on('error', () => undefined);
      end.on('data', (bytes: Buffer) => {
        left -= bytes.length;
        if (left < 0) for (const each of ends) each.destroy();
      });
      end.pipe(other);
      end.on('close', () => {
        this.#open.delete(ends);
        // One that was ended in order is ended in order on the other side, too.
        if (!end.readableEnded) other.destroy();
      });
    }
  }
}
