import { map, of, tap, type Observable } from 'rxjs';
import type { Identity } from '../../lib/identity.js';
import { MULTICAST_DNS_PORT, type MulticastConfig, type MulticastEvent } from '../../lib/link/multicast.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import type { UnlV3 } from '../../lib/unl/types.js';
import { unlOf } from './locators.js';

/** Specs run in several processes at once, which must not hear each other: each has a port of its own. */
const PORT = 20_000 + (process.pid % 10_000);

/** Multicast DNS for the specs of this process, by real sockets. The nodes of specs are bound to loopback, and so nothing leaves this machine. */
export function ownMulticast$(config: MulticastConfig): Observable<MulticastEvent> {
  return systemRuntime.multicast$({ ...config, port: PORT }).pipe(
    map((event) => {
      if (event.type !== 'packet' || event.from.port !== PORT) return event;
      return { ...event, from: { ...event.from, port: MULTICAST_DNS_PORT } };
    }),
  );
}

/** The real runtime, with multicast DNS for the specs of this process. */
export const lanRuntime: Runtime = { ...systemRuntime, multicast$: ownMulticast$ };

/** Like {@link ownMulticast$}; calls a function with each packet that is sent. */
export function watchedMulticast(onSent: (bytes: Buffer) => void): Runtime['multicast$'] {
  return ({ outgoing$, ...config }) =>
    ownMulticast$({
      ...config,
      outgoing$: outgoing$.pipe(
        tap(({ bytes }) => {
          onSent(bytes);
        }),
      ),
    });
}

/** The locator of a node that listens at an address of the local network, and nowhere else. */
export function lanUnlOf({ peerId }: Identity, address: string, port = 4_000): UnlV3 {
  return unlOf({ peerId, endpoints: [{ kind: 'lan', address, port }] });
}

/** Emits it once, for ever. */
export function lanUnl$(identity: Identity, address: string): Observable<UnlV3> {
  return of(lanUnlOf(identity, address));
}
