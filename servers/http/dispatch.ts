import { ServerResponse, type IncomingMessage } from 'node:http';
import { noop } from 'rxjs';
import { canonicalAddress, withoutZone } from '../../lib/endpoint.js';
import { KEEP_ALIVE_MS } from '../../lib/link/tcp.js';
import { readUrl } from '../../lib/validate.js';
import { say } from './answers.js';
import type { HttpService, Upgrade } from './service.js';

/** What a request's target is relative to: only its path and query count. */
const BASE = new URL('http://server');

/** Passes a request to the first service that accepts it. */
export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  services: readonly HttpService[],
  upgrade?: Upgrade,
): void {
  const { method = '', url: target = '', socket } = request;
  const address = canonicalAddress(withoutZone(socket.remoteAddress ?? ''));
  const url = readUrl(target, BASE);
  if (url === undefined || address === undefined) {
    sayNothing(response);
    return;
  }
  const exchange = { method, url, address, request, response, upgrade };
  services.some((service) => service(exchange));
}

/** The last of all services, asked for what none of the others has. */
export const nothing: HttpService = ({ response }) => {
  sayNothing(response);
  return true;
};

function sayNothing(response: ServerResponse): void {
  say(response, 404, 'There is nothing here. Try /address.\n');
}

/**
 * A request for an upgrade is offered to the services like any other. A service may answer it without the upgrade; many clients
 * offer one that they do not need, such as `h2c`.
 */
export function answerUpgrade(request: IncomingMessage, head: Buffer, services: readonly HttpService[]): void {
  const { socket } = request;
  // Node has removed its own listeners; this one stays.
  socket.on('error', noop);
  const response = new ServerResponse(request);
  try {
    response.assignSocket(socket);
  } catch {
    // The client did not wait for the answer to its previous request: the two answers could be mixed up.
    socket.destroy();
    return;
  }
  response.setHeader('connection', 'close');
  response.once('finish', () => {
    socket.destroySoon();
  });
  if (request.method !== 'GET') {
    // Its body is not read any more.
    say(response, 400, 'An upgrade goes with GET alone.\n');
    return;
  }
  const protocol = (request.headers.upgrade ?? '').toLowerCase();
  const accept = () => {
    response.detachSocket(socket);
    socket.setTimeout(0).setKeepAlive(true, KEEP_ALIVE_MS);
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
    if (head.length > 0) socket.unshift(head);
    return socket;
  };
  answer(request, response, services, { protocol, accept });
}
