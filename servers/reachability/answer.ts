import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { isPort, scopeOf, type Endpoint } from '../../lib/endpoint.js';
import { isPeerId } from '../../lib/identity.js';
import { isServicePort } from '../../lib/unl/dialable.js';
import { readUrl } from '../../lib/validate.js';
import type { Caller } from '../callers/caller.js';
import { say, sayJson } from '../http/answers.js';
import type { Exchange } from '../http/service.js';
import type { Questions } from './questions.js';

/** Tells a caller its address and port, as far as proxies before this server let it know them. */
export function answerAddress({ caller: { address, port, whose }, response }: Exchange): void {
  const seen =
    whose === 'our-proxy'
      ? { reason: 'a proxy before this server does not tell it who asks' }
      : {
          address,
          ...(port === undefined ? { reason: 'a proxy before this server does not tell it your port' } : { port }),
        };
  // On a line of its own, for those who read lines.
  say(response, 200, `${JSON.stringify(seen)}\n`, 'application/json');
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

/** Why a caller is not dialled, if it is not. */
export function reasonNotToDial({ port }: Endpoint, { caller, request }: Exchange): string | undefined {
  const { whose } = caller;
  if (isServicePort(port)) return 'this server dials no port of a well-known service: take one from 1024, or 443';
  if (whose === 'our-proxy' || (whose === 'caller' && isByOwnProxy(caller, request))) {
    return 'a proxy before this server does not tell it who asks: ask another server';
  }
  const isForwarded = whose === 'their-proxy';
  return isForwarded ? 'the question came by a proxy, whose address is not yours: ask this server directly' : undefined;
}

/**
 * Whether a question has come by a proxy on this machine, of which the server was not told, and which does not tell who asks: it comes from
 * this machine, but asks for the server by a name (a proxy that passes on what it gets), or by HTTP/1.0 (nginx, unless it is told otherwise).
 * Dialling back would tell anybody which ports of this machine are open.
 */
function isByOwnProxy({ address, local }: Caller, { httpVersion, headers: { host = '' } }: IncomingMessage): boolean {
  const isFromHere = scopeOf(address) === 'loopback' || address === local?.address;
  if (!isFromHere) return false;
  const { hostname = '' } = readUrl(`http://${host}`) ?? {};
  const isAddress = isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;
  return httpVersion === '1.0' || (!isAddress && hostname !== 'localhost');
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
