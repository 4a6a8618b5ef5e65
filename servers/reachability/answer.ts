import { isPort, type Endpoint } from '../../lib/endpoint.js';
import { isPeerId } from '../../lib/identity.js';
import { isServicePort } from '../../lib/unl/dialable.js';
import { say, sayJson } from '../http/answers.js';
import type { Exchange } from '../http/service.js';
import type { Questions } from './questions.js';

/** What proxies add to what they pass on (RFC 7239 §4, RFC 9110 §7.6.3). */
const PROXY_HEADERS = ['forwarded', 'x-forwarded-for', 'via'];

/** Tells a caller its address. */
export function answerAddress({ address, request, response }: Exchange): void {
  // On a line of its own, for those who read lines.
  say(response, 200, `${JSON.stringify({ address, port: request.socket.remotePort })}\n`, 'application/json');
}

/** Dials a caller back, at the port that it names, and tells it whether that worked. */
export function answerReachable(exchange: Exchange, questions: Questions): void {
  const { url, address, response } = exchange;
  const port = portOf(url.searchParams);
  const peerId = url.searchParams.get('peer') ?? undefined;
  if (port === undefined || (peerId !== undefined && !isPeerId(peerId))) {
    say(response, 400, 'Expected /reachable?port=N, or /reachable?port=N&peer=ID with a peer id.\n');
    return;
  }
  const endpoint = { address, port };
  const answer = (reason: string | undefined) => {
    sayJson(response, { ...endpoint, reachable: reason === undefined, ...(reason !== undefined && { reason }) });
  };
  const why = reasonNotToDial(endpoint, exchange);
  if (why !== undefined) answer(why);
  else questions.ask({ endpoint, peerId, answer, refuse: refusing(exchange) });
}

/** Why a caller is not dialled, if it is not. The address is the caller's own, or that of a proxy before this server. */
export function reasonNotToDial({ port }: Endpoint, { request: { headers } }: Exchange): string | undefined {
  if (isServicePort(port)) return 'this server dials no port of a well-known service: take one from 1024, or 443';
  const isForwarded = PROXY_HEADERS.some((name) => headers[name] !== undefined);
  return isForwarded ? 'the question came by a proxy, whose address is not yours: ask this server directly' : undefined;
}

/** The port that a caller names. */
export function portOf(query: URLSearchParams): number | undefined {
  const text = query.get('port') ?? '';
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  return isPort(port) ? port : undefined;
}

/** Tells a caller that its question is refused. */
export function refusing({ response }: Exchange): (status: 429 | 503) => void {
  return (status) => {
    response.setHeader('retry-after', '60');
    say(response, status, status === 429 ? 'Too many questions from this address.\n' : 'Too many questions.\n');
  };
}
