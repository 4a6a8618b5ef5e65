import { isPort, type Endpoint } from '../../lib/endpoint.js';
import { isPeerId } from '../../lib/identity.js';
import { isServicePort } from '../../lib/unl/dialable.js';
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
export function reasonNotToDial({ port }: Endpoint, { caller: { whose } }: Exchange): string | undefined {
  if (isServicePort(port)) return 'this server dials no port of a well-known service: take one from 1024, or 443';
  if (whose === 'our-proxy') return 'a proxy before this server does not tell it who asks: ask another server';
  const isForwarded = whose === 'their-proxy';
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
