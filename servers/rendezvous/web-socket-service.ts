import type { Socket } from 'node:net';
import type { WebSocket, WebSocketServer } from 'ws';
import { REQUEST_MAX_BYTES, WEB_SOCKET_PATH, WEB_SOCKET_PROTOCOL } from '../../lib/rendezvous/messages.js';
import { loadWs } from '../../lib/packages.js';
import type { Caller } from '../callers/caller.js';
import { say } from '../http/answers.js';
import { isOfAnotherOrigin } from '../http/origin.js';
import type { HttpService } from '../http/service.js';

/**
 * What a WebSocket of a client may bring. A line that is answered later is waited for, so that little is read ahead; and nothing is
 * compressed, since a small frame would become a huge line.
 */
const BOUNDS = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: REQUEST_MAX_BYTES,
  maxFragments: 64,
  maxBufferedChunks: 1_024,
  // Pings are counted.
  autoPong: false,
  // A client that is told to go gets this long to take in why, in milliseconds.
  closeTimeout: 1_000,
  handleProtocols: () => WEB_SOCKET_PROTOCOL,
} as const;

/**
 * Sessions of a rendezvous server by WebSocket (RFC 6455), below any path, as a proxy may have it.
 *
 * @param take takes a client: its WebSocket, which is paused, and the socket or TLS stream below.
 */
export function webSocketService(take: (webSocket: WebSocket, socket: Socket, caller: Caller) => void): HttpService {
  let server: WebSocketServer | undefined;
  return ({ method, url, caller, request, response, upgrade }) => {
    if (method !== 'GET' || !url.pathname.endsWith(WEB_SOCKET_PATH)) return false;
    if (upgrade?.protocol !== 'websocket') {
      response.setHeader('upgrade', 'websocket');
      say(response, 426, `Expected a WebSocket of ${WEB_SOCKET_PROTOCOL}.\n`);
      return true;
    }
    if (isOfAnotherOrigin(request.headers)) {
      // PyP2P's nodes are known by nothing but their address: a page would speak in its reader's name.
      say(response, 403, 'A page of another site may not speak with this server.\n');
      return true;
    }
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    if (!offered.includes(WEB_SOCKET_PROTOCOL)) {
      say(response, 400, `Expected the sub-protocol ${WEB_SOCKET_PROTOCOL} to be offered.\n`);
      return true;
    }
    const { socket, head } = upgrade.handOver();
    const loaded = server ?? loadWs().then(({ WebSocketServer }) => new WebSocketServer(BOUNDS));
    Promise.resolve(loaded)
      .then((ready) => {
        server = ready;
        if (socket.destroyed) return;
        ready.handleUpgrade(request, socket, head, (webSocket) => {
          webSocket.pause();
          take(webSocket, socket, caller);
        });
      })
      .catch(() => {
        // The package cannot be loaded, as in a process that has run out of descriptors: the client tries again.
        socket.destroy();
      });
    return true;
  };
}
