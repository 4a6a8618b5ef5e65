import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { Observable, type SchedulerLike } from 'rxjs';
import { ByAge } from '../../lib/bounds/by-age.js';
import { isPort } from '../../lib/endpoint.js';
import { endpointsOf } from '../../lib/link/tcp.js';
import type { Caller } from './caller.js';
import { behindProxies } from './forwarded.js';
import { firstBytes } from './first-bytes.js';
import { PROXY_HEADER_MAX_BYTES, readProxyHeader, type ProxyHeader } from './proxy-protocol.js';
import { trustedProxies } from './trusted.js';

/** A proxy says at once for whom it has connected; this long it may take, in milliseconds: a lost segment, and another. */
const HEADER_MS = 5_000;

/**
 * Connections of proxies that have not yet said for whom they are. With more, the one that has been silent for longest is closed: proxies say
 * it at once, and who has a proxy open connections and says nothing keeps no other out.
 */
const MOST_UNTOLD = 4_096;

/**
 * Decides who calls: whoever is at the other end of the socket, or whom a proxy names that is believed. A proxy says so before anything
 * else on the connection (PROXY protocol, versions 1 and 2), or in the headers of each request (`Forwarded`, `X-Forwarded-For`). From all
 * others neither means anything.
 *
 * @example
 * const callers = new Callers(['10.0.0.0/8'], asyncScheduler);
 * callers.arrive(socket, (caller) => console.log(caller.address));
 */
export class Callers {
  readonly #isTrusted: (address: string) => boolean;
  readonly #untold = new ByAge<Socket, true>();

  /**
   * @param trustProxy the addresses and networks of proxies that are believed.
   * @throws InvalidOptionError when one of them is neither an address nor a network.
   */
  constructor(
    trustProxy: readonly string[] = [],
    readonly scheduler: SchedulerLike,
  ) {
    this.#isTrusted = trustedProxies(trustProxy);
  }

  /**
   * Calls back with who has connected: at once, or when a proxy has said for whom. Nobody is called back for a connection that is closed
   * before, or whose header cannot be read.
   *
   * @param socket a new one, of which nothing has been read.
   */
  arrive(socket: Socket, next: (caller: Caller) => void): void {
    const { local, remote } = endpointsOf(socket);
    if (!this.#isTrusted(remote.address)) {
      next({ whose: 'caller', local, ...remote });
      return;
    }
    const { oldest } = this.#untold;
    if (oldest !== undefined && this.#untold.size >= MOST_UNTOLD) {
      this.#untold.delete(oldest.key);
      oldest.key.destroy();
    }
    this.#untold.add(socket, true);
    firstBytes(socket, {
      maxBytes: PROXY_HEADER_MAX_BYTES,
      ms: HEADER_MS,
      scheduler: this.scheduler,
      read: (bytes) => {
        const header = readProxyHeader(bytes);
        if (header === 'more' || header === 'malformed') return header;
        return { value: header, length: header === 'none' ? 0 : header.length };
      },
      done: (header: ProxyHeader | 'none' | undefined) => {
        this.#untold.delete(socket);
        const ends = header === 'none' ? undefined : header?.ends;
        if (header === undefined) socket.destroy();
        else if (ends === undefined)
          next({ address: remote.address, port: undefined, whose: 'our-proxy', local: undefined });
        else next({ whose: 'caller', local: ends.destination, ...ends.source, ...portOf(ends.source.port) });
      },
    });
  }

  /** Closes the connections of proxies that have not yet said for whom they are. */
  close(): void {
    for (const [socket] of this.#untold) socket.destroy();
  }

  /** Like {@link arrive}: emits who has connected, and completes. Unsubscribing does not close the socket. */
  caller$(socket: Socket): Observable<Caller> {
    return new Observable((subscriber) => {
      socket.once('close', () => {
        subscriber.complete();
      });
      this.arrive(socket, (caller) => {
        subscriber.next(caller);
        subscriber.complete();
      });
    });
  }

  /**
   * Who asks something by HTTP, on a connection of a caller; `undefined` when what proxies say of it cannot be read, or contradicts
   * itself.
   */
  asking(caller: Caller, headers: IncomingHttpHeaders): Caller | undefined {
    const found = behindProxies(caller, headers, this.#isTrusted);
    if (found === 'malformed') return undefined;
    if (found === 'silent') return { ...caller, whose: 'our-proxy' };
    const { address, port, proxies, isForwarder } = found;
    const whose = isForwarder ? 'their-proxy' : 'caller';
    return { address, port, whose, local: proxies === 0 ? caller.local : undefined };
  }
}

/** A proxy that does not know a port gives 0. */
function portOf(port: number): { readonly port: number | undefined } {
  return { port: isPort(port) ? port : undefined };
}
