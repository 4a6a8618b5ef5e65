import { mergeMap, of, type Observable } from 'rxjs';
import type { Endpoint } from '../endpoint.js';
import { decodeAnswer, STATUS } from './messages.js';
import type { Answer, DhtNode } from './node.js';

/** dht-rpc's own: the token is wrong or too old. */
const INVALID_TOKEN = 2;

/** What a node needs to know of whoever asks it for something. */
interface Proof {
  /** What the node gave to this host; good for some seconds. */
  readonly token: Buffer | undefined;
  /** Where the node sees this one. */
  readonly seenAs: Endpoint | undefined;
}

/**
 * Asks a node for something that it does only for those who get what is sent to their address, so that nobody can ask in
 * another's name: with the token that it gave, and where that is too old, once more with the one that it gives now.
 * Fails like {@link DhtNode.ask$}.
 *
 * @param value makes the request for a proof.
 */
export function askProven$(
  node: Pick<DhtNode, 'ask$'>,
  to: Endpoint,
  command: number,
  proof: Proof,
  value: (proof: Proof) => Buffer,
): Observable<Answer> {
  const ask$ = (by: Proof) => node.ask$(to, { command, value: value(by), token: by.token }, true);
  return ask$(proof).pipe(
    mergeMap((answer) => {
      const isRefused = answer.error === INVALID_TOKEN || decodeAnswer(answer.value)?.status === STATUS.tokenNeeded;
      return isRefused && answer.token !== undefined ? ask$(answer) : of(answer);
    }),
  );
}
