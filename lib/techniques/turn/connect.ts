import { defer, switchMap, type Observable } from 'rxjs';
import { formatEndpoint, sameEndpoint, type Endpoint } from '../../endpoint.js';
import { DialError } from '../../errors.js';
import type { Link } from '../../link/link.js';
import { headStart } from '../../operators/head-start.js';
import { within } from '../../operators/within.js';
import { MAX_HEARSAY, mayHaveDialled } from '../../unl/dialable.js';
import type { UnlV3 } from '../../unl/types.js';
import type { Attempt } from '../technique.js';
import type { Allocation } from './allocation.js';
import type { TurnContext } from './context.js';

/** Whether a TURN server may be able to dial a peer: others can. */
export function canConnectTo({ nodeType }: UnlV3): boolean {
  return nodeType === 'passive';
}

/**
 * Has the TURN server dial the peer (RFC 6062 §4.3), where the peer can be dialled, but not from this node: its firewall may let out to
 * few ports only. No signal is needed: the peer takes an inbound connection as any other, and this node is the TLS client.
 */
export function connectTo$(
  { relayed, connect$ }: Pick<Allocation, 'relayed' | 'connect$'>,
  { mayDial, timing, scheduler }: Attempt,
  { secure$ }: Pick<TurnContext, 'secure$'>,
  peer: UnlV3,
): Observable<Link> {
  return defer(() => {
    const endpoints = endpointsFrom(relayed.address, peer).filter(mayDial);
    if (endpoints.length === 0) throw new DialError('The UNL has no endpoint that this TURN server can dial');
    return headStart(
      endpoints.map((endpoint) =>
        connect$(endpoint).pipe(
          switchMap((socket) =>
            secure$(socket, 'client', peer.peerId).pipe(
              within(timing.handshakeMs, `${formatEndpoint(endpoint)} did not finish the TLS handshake`, scheduler),
            ),
          ),
        ),
      ),
      timing.staggerMs,
      scheduler,
    );
  });
}

/** The endpoints of a peer that a server may dial from an address, each once, a few. */
function endpointsFrom(address: string, { endpoints }: UnlV3): readonly Endpoint[] {
  return endpoints
    .filter((endpoint, index) => endpoints.findIndex((other) => sameEndpoint(other, endpoint)) === index)
    .filter((endpoint) => mayHaveDialled(endpoint, address))
    .slice(0, MAX_HEARSAY);
}
