import type { Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { noop } from 'rxjs';
import { endpointsOf } from '../../lib/link/tcp.js';
import type { Caller } from '../callers/caller.js';
import type { Callers } from '../callers/callers.js';

/** What is before an HTTP server. */
interface FrontConfig {
  readonly callers: Callers;
  /** Whether there may be proxies that say who calls. */
  readonly hasProxies: boolean;
  /** Takes a connection in, and returns whether there was room for it. */
  readonly enter: (socket: Socket, caller: Caller) => boolean;
}

/**
 * The server that listens for an HTTP server. Where nothing comes before HTTP, it is that server itself; otherwise it passes connections
 * on when that has been read.
 */
export function frontOf(http: HttpServer, { callers, hasProxies, enter }: FrontConfig): Server {
  if (!hasProxies) {
    http.on('connection', (socket) => {
      const { local, remote } = endpointsOf(socket);
      enter(socket, { ...remote, whose: 'caller', local });
    });
    return http;
  }
  // What it does as soon as it listens: it looks for requests that take too long.
  http.emit('listening');
  const front = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true });
  front.on('connection', (socket) => {
    socket.on('error', noop);
    callers.arrive(socket, (caller) => {
      if (!enter(socket, caller)) return;
      http.emit('connection', socket);
      socket.resume();
    });
  });
  return front;
}
