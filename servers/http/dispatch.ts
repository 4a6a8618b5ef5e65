import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { noop } from 'rxjs';
import { KEEP_ALIVE_MS } from '../../lib/link/tcp.js';
import { readUrl } from '../../lib/validate.js';
import type { Caller } from '../callers/caller.js';
import { say } from './answers.js';
import type { HttpService, Upgrade } from './service.js';

/** What a request's target is relative to: only its path and query count. */
const BASE = new URL('http://server');

/** A request, by whom it is, and the place for its answer. */
interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: Caller;
  readonly upgrade?: Upgrade | undefined;
}

/** Passes a request to the first service that accepts it. */
export function answer({ request, response, caller, upgrade }: Asked, services: readonly HttpService[]): void {
  const { method = '', url: target = '' } = request;
  const { address } = caller;
  const url = readUrl(target, BASE);
  if (url === undefined) {
    sayNothing(response);
    return;
  }
  const exchange = { method, url, address, caller, request, response, upgrade };
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

/** Why a request is not passed to the services. */
type Refusal = 'headers' | 'full';

/** Tells a caller why its request is not answered. */
export function refuse(response: ServerResponse, refusal: Refusal): void {
  if (refusal === 'full') {
    response.setHeader('retry-after', '30');
    say(response, 503, 'Too many connections from this address.\n');
  } else {
    say(response, 400, 'Forwarded and X-Forwarded-For contradict each other, or cannot be read.\n');
  }
}

/**
 * A request for an upgrade is offered to the services like any other. A service may answer it without the upgrade; many clients
 * offer one that they do not need, such as `h2c`.
 *
 * @param answer answers it.
 */
export function answerUpgrade(
  request: IncomingMessage,
  head: Buffer,
  answer: (response: ServerResponse, upgrade: Upgrade) => void,
): void {
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
  answer(response, { protocol, ...waysToAccept(protocol, head, socket, response) });
}

function waysToAccept(
  protocol: string,
  head: Buffer,
  socket: Socket,
  response: ServerResponse,
): Pick<Upgrade, 'accept' | 'handOver'> {
  const handOver = () => {
    response.detachSocket(socket);
    socket.setTimeout(0).setKeepAlive(true, KEEP_ALIVE_MS);
    return { socket, head };
  };
  const accept = () => {
    handOver();
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
    if (head.length > 0) socket.unshift(head);
    return socket;
  };
  return { accept, handOver };
}
