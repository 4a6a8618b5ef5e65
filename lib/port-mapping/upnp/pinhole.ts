import { catchError, defer, EMPTY, exhaustMap, filter, map, of, timer, type Observable } from 'rxjs';
import { valueOf, type Service } from './igd.js';
import type { Mapping } from '../mapping.js';
import { refusalOf } from './wan-connection.js';
import { holdLease$ } from '../hold-lease.js';
import { ignoreErrors } from '../../operators/ignore-errors.js';
import type { PortRequest } from '../mapper.js';

/** TCP's number at IANA. */
const TCP = 6;

/** WANIPv6FirewallControl:1 §2.5.6. */
const NO_SUCH_PINHOLE = 704;

/** A way through an IPv6 firewall, by the name that the gateway gave it. */
interface Pinhole extends Mapping {
  readonly uniqueId: string;
}

/**
 * Has a service of a gateway let others through its firewall to an IPv6 endpoint (WANIPv6FirewallControl:1), and holds that open. Emits
 * what was granted, whenever it is renewed; unsubscribed, it gives it back.
 *
 * @throws PortMappingError with the gateway's code as its `refusal`; HttpError; TimeoutError.
 *
 * @example
 * pinhole$(service, request).subscribe(({ external }) => console.log(external));
 */
export function pinhole$(service: Service, request: PortRequest): Observable<Mapping> {
  const { internal, timing, scheduler } = request;
  const { mappingMs, mappingCheckMs } = timing;
  const LeaseTime = Math.ceil(mappingMs / 1000);
  const add$ = defer(() =>
    service.call$('AddPinhole', {
      RemoteHost: '',
      RemotePort: 0,
      InternalClient: internal.address,
      InternalPort: internal.port,
      Protocol: TCP,
      LeaseTime,
    }),
  ).pipe(map((values) => valueOf(values, 'UniqueID')));
  const update$ = (uniqueId: string) =>
    service.call$('UpdatePinhole', { UniqueID: uniqueId, NewLeaseTime: LeaseTime }).pipe(map(() => uniqueId));
  return request.turn(
    holdLease$({
      ...request,
      ask$: (held: Pinhole | undefined): Observable<Pinhole> =>
        // A pinhole that is gone is opened again.
        (held === undefined ? add$ : update$(held.uniqueId).pipe(catchError(() => add$))).pipe(
          map((uniqueId) => ({
            protocol: 'upnp',
            gateway: request.gateway.address,
            internal,
            external: internal,
            lifetimeMs: mappingMs,
            uniqueId,
          })),
        ),
      lost$: ({ uniqueId }) =>
        timer(mappingCheckMs, mappingCheckMs, scheduler).pipe(
          exhaustMap(() => isGone$(service, uniqueId)),
          filter((isGone) => isGone),
        ),
      release$: ({ uniqueId }) => service.call$('DeletePinhole', { UniqueID: uniqueId }),
      // Without the answer, the pinhole's id is unknown, so it cannot be closed.
      takeBack$: EMPTY,
    }),
  );
}

/** Whether the gateway says that it knows no such pinhole. */
function isGone$(service: Service, uniqueId: string): Observable<boolean> {
  return service.call$('GetPinholePackets', { UniqueID: uniqueId }).pipe(
    map(() => false),
    catchError((error: unknown) => of(refusalOf(error) === NO_SUCH_PINHOLE)),
    ignoreErrors(),
  );
}
