import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Observable } from 'rxjs';
import { canonicalAddress, type Endpoint } from '../lib/endpoint.js';
import { ListenError } from '../lib/errors.js';

/** What a reachability server is made of. */
export interface ReachabilityServerConfig {
  /** The local address. Default: all. */
  readonly bind?: string | undefined;
  /** Default: 8080. */
  readonly port?: number | undefined;
}

/** A reachability server that runs. */
export interface ReachabilityServer {
  readonly local: Endpoint;
}

/** A request is a line and a few headers: whoever takes longer than this to send one is not asking. */
const REQUEST_MS = 5_000;

/** More at once would be a flood, not questions. */
const MAX_CONNECTIONS = 1_000;

/**
 * Runs a small HTTP server for as long as it is subscribed to, that tells each caller its address: as JSON at
 * `/address`, and as text at PyP2P's `net.php?action=get_wan_ip`. Emits once it listens.
 *
 * @throws ListenError when the port cannot be listened on.
 *
 * @example
 * reachabilityServer$({ port: 8080 }).subscribe(({ local }) => console.log(`http on port ${local.port}`));
 */
export function reachabilityServer$({
  bind,
  port = 8080,
}: ReachabilityServerConfig = {}): Observable<ReachabilityServer> {
  return new Observable((subscriber) => {
    const server = createServer(
      { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAliveTimeout: REQUEST_MS },
      answer,
    );
    server.maxConnections = MAX_CONNECTIONS;
    server.on('error', (cause) => {
      subscriber.error(new ListenError(`Cannot listen on port ${port}: ${cause.message}. Choose another.`, { cause }));
    });
    server.listen({ port, ...(bind !== undefined && { host: bind }) }, () => {
      const bound = server.address();
      if (bound === null || typeof bound === 'string') return;
      subscriber.next({ local: { address: canonicalAddress(bound.address) ?? bound.address, port: bound.port } });
    });
    return () => {
      server.close();
      server.closeAllConnections();
    };
  });
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const address = canonicalAddress(request.socket.remoteAddress ?? '') ?? '';
  const url = URL.canParse(request.url ?? '', 'http://server')
    ? new URL(request.url ?? '', 'http://server')
    : undefined;
  const isAddress = url?.pathname === '/address';
  const isPyp2p = url?.pathname.endsWith('/net.php') === true && url.searchParams.get('action') === 'get_wan_ip';
  if (request.method !== 'GET' || (!isAddress && !isPyp2p)) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('There is nothing here. Try /address.\n');
  } else if (isAddress) {
    const body = JSON.stringify({ address, port: request.socket.remotePort });
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(body);
  } else {
    response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-store' }).end(address);
  }
}
