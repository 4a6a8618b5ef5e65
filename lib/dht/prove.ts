import { mergeMap, of, type Observable } from 'rxjs';
import type { Endpoint } from '../endpoint.js';
import { decodeAnswer, STATUS } from './messages.js';
import type { Answer, DhtNode } from './node.js';

/** dht-rpc's own: the token is wrong or too old. */
const INVALID_TOKEN = 2;

/** What a node tells a caller that wants to prove its address. */
interface Proof {
  /** The token that the node gave to this host; valid for some seconds. */
  readonly token: Buffer | undefined;
  /** Where the node sees this one. */
  readonly seenAs: Endpoint | undefined;
}

/**
 * Sends a request that a node accepts only from a caller that can receive at its address, so that nobody can forge the source.
 * Sends the node's token, and once more with a fresh token if that was too old. Fails like {@link DhtNode.ask$}.
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
