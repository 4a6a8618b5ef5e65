import { catchError, EMPTY, filter, mergeMap, switchMap, take, throwError } from 'rxjs';
import { byFamilyInTurns, familyOf, sameEndpoint, type Endpoint } from '../endpoint.js';
import { DialError } from '../errors.js';
import { firstToSucceed } from '../operators/first-to-succeed.js';
import { headStart } from '../operators/head-start.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import { mayDialNamed } from '../unl/dialable.js';
import { endpointsIn, familiesIn, isNear } from '../unl/near.js';
import type { Unl, UnlEndpoint } from '../unl/types.js';
import type { NodeTechnique } from './technique.js';

/**
 * Dials the peer at the endpoints of its locator, one after the other with a short head start each (RFC 8305 §5), IPv6
 * and IPv4 in turns (RFC 8305 §4). PyP2P's passive connect. Beside them it dials where the peer is found on the local network.
 */
export const direct: NodeTechnique = {
  name: 'direct',
  stage: 'dial',
  serves: () => true,
  // A listening node accepts inbound dials anyway.
  answer$: EMPTY,
  dial: (attempt$) =>
    attempt$.pipe(
      switchMap(({ own, peer, dial$, nearby$, timing, scheduler }) => {
        const candidates = candidatesOf(own, peer);
        const named$ =
          candidates.length === 0
            ? throwError(() => new DialError('The UNL has no endpoint that can be dialled from here'))
            : headStart(
                candidates.map((candidate) => dial$(candidate, direct.name)),
                timing.staggerMs,
                scheduler,
              );
        if (nearby$ === undefined) return named$;
        const found$ = nearby$.pipe(
          filter((endpoint) => !candidates.some((candidate) => sameEndpoint(candidate, endpoint))),
          mergeMap((endpoint) => dial$(endpoint, direct.name).pipe(ignoreErrors())),
          take(1),
        );
        return firstToSucceed([named$, found$]).pipe(
          catchError((error: unknown) => {
            throw firstOf(error);
          }),
        );
      }),
    ),
};

/** Why the endpoints of the locator failed: that the peer is not on the local network says nothing. */
function firstOf(error: unknown): unknown {
  if (!(error instanceof AggregateError)) return error;
  const errors: readonly unknown[] = error.errors;
  return errors[0];
}

/** The peer's endpoints that {@link mayDialNamed} lets this node dial, best first. */
export function candidatesOf(own: Unl, peer: Unl): Endpoint[] {
  const near = isNear(own, peer);
  return bestFirst(
    own,
    endpointsIn(peer).filter((endpoint) => mayDialNamed(endpoint, endpointsIn(own), near)),
  );
}

/** A peer's endpoints that may be dialled, by the families that this node has, each once: LAN addresses before others. */
export function bestFirst(own: Unl, endpoints: readonly UnlEndpoint[]): Endpoint[] {
  const ours = endpointsIn(own);
  const ownFamilies = familiesIn(ours);
  const usable = endpoints
    .filter(({ address }) => ownFamilies.size === 0 || ownFamilies.has(familyOf(address)))
    .filter((endpoint) => !ours.some((each) => each.kind === 'lan' && sameEndpoint(each, endpoint)))
    .filter((endpoint, index, all) => all.findIndex((other) => sameEndpoint(other, endpoint)) === index);
  const lanFirst = [...usable.filter(({ kind }) => kind === 'lan'), ...usable.filter(({ kind }) => kind !== 'lan')];
  return byFamilyInTurns(lanFirst, ({ address }) => address, 6);
}
