import type { Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { noop, type SchedulerLike } from 'rxjs';
import { endpointsOf } from '../../lib/link/tcp.js';
import type { Caller } from '../callers/caller.js';
import type { Callers } from '../callers/callers.js';
import { firstBytes } from '../callers/first-bytes.js';
import { Handshakes, TLS_HANDSHAKE } from '../tls/handshakes.js';
import type { HeldCertificate } from '../tls/held-certificate.js';
import type { Place } from './room.js';

/** What is before an HTTP server. */
interface FrontConfig {
  readonly callers: Callers;
  /** Whether there may be proxies that say who calls. */
  readonly hasProxies: boolean;
  readonly certificate: HeldCertificate | undefined;
  /** How long a connection may stay without a byte, in milliseconds. */
  readonly silentMs: number;
  readonly scheduler: SchedulerLike;
  /** Takes a connection in; `undefined` when there is no room for it, and it is closed. */
  readonly enter: (socket: Socket, caller: Caller) => Place | undefined;
  /** Is told of the stream of a connection, before anything is read from it as HTTP. */
  readonly opened: (stream: Socket, caller: Caller, place: Place) => void;
}

/** HTTP/1.1, by its name in ALPN. */
const HTTP = 'http/1.1';

/**
 * The server that listens for an HTTP server. Where nothing comes before HTTP, it is that server itself. Otherwise it reads what does, a
 * proxy's header and TLS, and passes the connection on. A connection that does not begin as TLS is taken for HTTP itself.
 */
export function frontOf(http: HttpServer, config: FrontConfig): Server {
  const { callers, hasProxies, certificate, silentMs, scheduler, enter, opened } = config;
  if (!hasProxies && certificate === undefined) {
    http.on('connection', (socket) => {
      const { local, remote } = endpointsOf(socket);
      const caller: Caller = { whose: 'caller', local, ...remote };
      const place = enter(socket, caller);
      if (place !== undefined) opened(socket, caller, place);
    });
    return http;
  }
  // What it does as soon as it listens: it looks for requests that take too long.
  http.emit('listening');
  const handshakes = new Handshakes(scheduler);
  const front = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true });
  front.on('connection', (socket) => {
    socket.on('error', noop);
    callers.arrive(socket, (caller) => {
      const place = enter(socket, caller);
      if (place === undefined) return;
      const serve = (stream: Socket) => {
        opened(stream, caller, place);
        http.emit('connection', stream);
        stream.resume();
      };
      if (certificate === undefined) {
        serve(socket);
        return;
      }
      firstBytes(socket, {
        maxBytes: 1,
        ms: silentMs,
        scheduler,
        read: ([first]) => ({ value: first === TLS_HANDSHAKE, length: 0 }),
        done: (isTls) => {
          if (isTls === undefined) socket.destroy();
          else if (!isTls) serve(socket);
          else handshakes.secure(socket, { context: certificate.context, protocols: [HTTP], site: place.site }, serve);
        },
      });
    });
  });
  return front;
}
