import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { SchedulerLike } from 'rxjs';
import type { WebSocket } from 'ws';
import { Admission } from '../../lib/bounds/admission.js';
import { siteOf } from '../../lib/bounds/site.js';
import { sameEndpoint } from '../../lib/endpoint.js';
import { LINES_ALPN } from '../../lib/rendezvous/messages.js';
import { siteOfCaller, type Caller } from '../callers/caller.js';
import type { Callers } from '../callers/callers.js';
import { firstBytes } from '../callers/first-bytes.js';
import { Handshakes, TLS_HANDSHAKE } from '../tls/handshakes.js';
import type { Watch } from '../watch.js';
import type { LinesShared } from '../lines/client-lines.js';
import type { Clients } from './clients.js';
import { SocketLines } from '../lines/socket-lines.js';
import { WebSocketLines } from './web-socket-lines.js';

/** What takes clients in. */
interface ArrivalsConfig {
  readonly callers: Callers;
  readonly clients: Clients;
  readonly shared: LinesShared;
  readonly watch: Watch;
  readonly scheduler: SchedulerLike;
  /** By which the server proves its key to clients that begin with TLS; without it all of them speak plain lines. */
  readonly context: SecureContext | undefined;
  /** How long a client may say nothing, in milliseconds. */
  readonly idleMs: number;
  /** How many clients that have no session yet may wait for their first byte, and how many for the end of their handshake. */
  readonly beginning: number;
}

/** Clients that have not yet said a byte, where that byte tells TLS from plain lines. They have no session yet. */
const SILENT = { most: 4_096, mostOfSite: 64 };

/**
 * Takes in clients, whatever carries their lines: sockets with plain lines or TLS, which their first byte tells apart, and WebSockets. No
 * Observable is made for each: a server has many thousands.
 */
export class Arrivals {
  readonly #config: ArrivalsConfig;
  readonly #handshakes: Handshakes;
  readonly #silent: Admission<() => void>;
  readonly #opening = new Set<Socket>();
  #arrived = 0;
  #local: Caller['local'];

  constructor(config: ArrivalsConfig) {
    this.#config = config;
    this.#handshakes = new Handshakes(config.scheduler, config.beginning);
    this.#silent = new Admission({ ...SILENT, most: Math.min(config.beginning, SILENT.most) });
  }

  /** Takes a new connection, of which nothing has been read. */
  readonly socket = (socket: Socket): void => {
    this.#config.callers.arrive(socket, (caller) => {
      const site = this.#siteOf(caller);
      if (!this.#mayCome(site, caller)) socket.destroy();
      else if (this.#config.context === undefined) this.#serve(socket, caller, site);
      else this.#open(socket, caller, site, this.#config.context);
    });
  };

  /** Takes a WebSocket, which is paused. */
  readonly webSocket = (webSocket: WebSocket, socket: Socket, caller: Caller): void => {
    const { shared, clients, scheduler } = this.#config;
    const site = this.#siteOf(caller);
    if (!this.#mayCome(site, caller)) {
      webSocket.on('error', () => undefined).terminate();
      return;
    }
    const lines = new WebSocketLines(webSocket, socket, siteOf(caller.address), shared, () => scheduler.now());
    clients.serve(lines, caller, site);
  };

  /** Closes the connections that have no session yet. */
  close(): void {
    for (const socket of this.#opening) socket.destroy();
  }

  #siteOf(caller: Caller): string {
    return siteOfCaller(caller, ++this.#arrived);
  }

  #mayCome(site: string, { address }: Caller): boolean {
    const may = this.#config.clients.mayCome(site);
    if (!may) this.#config.watch.refused('rendezvous', 'too-many-connections', siteOf(address));
    return may;
  }

  /** Waits for the first byte, which is none of text where it is TLS (RFC 8446 §5.1). */
  #open(socket: Socket, caller: Caller, site: string, context: SecureContext): void {
    const drop = () => socket.destroy();
    const { isIn, gaveWay } = this.#silent.admit(site, drop);
    gaveWay?.();
    if (!isIn) {
      drop();
      return;
    }
    this.#opening.add(socket);
    const forget = () => this.#opening.delete(socket);
    socket.once('close', forget);
    const serve = (stream: Socket) => {
      forget();
      // A session keeps nothing of its beginning.
      socket.off('close', forget);
      this.#serve(stream, caller, site);
    };
    firstBytes(socket, {
      maxBytes: 1,
      ms: this.#config.idleMs,
      scheduler: this.#config.scheduler,
      read: ([first]) => ({ value: first === TLS_HANDSHAKE, length: 0 }),
      done: (isTls) => {
        this.#silent.leave(site, drop);
        if (isTls === undefined) drop();
        else if (!isTls) serve(socket);
        else this.#handshakes.secure(socket, { context, protocols: [LINES_ALPN], site }, serve);
      },
    });
  }

  #serve(socket: Socket, caller: Caller, site: string): void {
    const { shared, clients } = this.#config;
    // Most have come to the same address.
    const isElsewhere =
      caller.local !== undefined && this.#local !== undefined && !sameEndpoint(this.#local, caller.local);
    if (this.#local === undefined || isElsewhere) this.#local = caller.local;
    const local = caller.local && this.#local;
    const { address, port, whose } = caller;
    clients.serve(new SocketLines(socket, siteOf(address), shared), { address, port, whose, local }, site);
  }
}
