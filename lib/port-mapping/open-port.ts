import { defer, of, switchMap } from 'rxjs';
import type { PortMappingProtocol } from '../config.js';
import { familyOf } from '../endpoint.js';
import { PortMappingError } from '../errors.js';
import { firstToSucceed } from '../operators/first-to-succeed.js';
import { traceOutcome, type Outcome } from '../operators/trace-outcome.js';
import { natPmp } from './nat-pmp.js';
import { loadUpnp } from './load-upnp.js';
import { pcp } from './pcp.js';
import type { OpenPort, PortMapper } from './mapper.js';

/** UPnP, loaded when it is first used; a node that will use it loads it when it starts. */
const upnp: PortMapper = {
  name: 'upnp',
  families: [4, 6],
  open: (request$) => defer(loadUpnp).pipe(switchMap((loaded) => request$.pipe(loaded.upnp.open))),
  ask$: (question) => defer(loadUpnp).pipe(switchMap((loaded) => loaded.upnp.ask$(question))),
};

/** Every protocol by which a gateway may be asked. */
export const PORT_MAPPERS: readonly PortMapper[] = [pcp, natPmp, upnp];

/**
 * Has a port opened by whichever of some protocols the gateway speaks: all are tried side by side, the first to succeed
 * wins.
 *
 * @param names the protocols to try.
 * @param tell is told how each of them fares.
 * @throws AggregateError with the error of each protocol when all have failed; PortMappingError when none is for the
 * family of the port.
 *
 * @example
 * of(request).pipe(openPort(['pcp', 'upnp'], console.log)).subscribe(({ external }) => console.log(external));
 */
export function openPort(
  names: readonly PortMappingProtocol[],
  tell: (protocol: PortMappingProtocol, outcome: Outcome) => void,
): OpenPort {
  return (request$) =>
    request$.pipe(
      switchMap((request) => {
        const family = familyOf(request.internal.address);
        const mappers = PORT_MAPPERS.filter(({ name, families }) => names.includes(name) && families.includes(family));
        if (mappers.length === 0)
          throw new PortMappingError(`No protocol that is switched on opens ports of IPv${family}`);
        return firstToSucceed(
          mappers.map(({ name, open }) =>
            of(request).pipe(
              open,
              traceOutcome(request.scheduler, (outcome) => {
                tell(name, outcome);
              }),
            ),
          ),
        );
      }),
    );
}
