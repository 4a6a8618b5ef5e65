import { map, tap, withLatestFrom, type Observable } from 'rxjs';
import type { Meeting } from '../../dht/meet.js';
import type { UnlV3 } from '../../unl/types.js';
import type { Finder } from './finder.js';
import { hearsayOfAll, ownLocator$ } from './hearsay.js';
import type { DiscoveryStep, DiscoveryTrace } from './steps.js';

/** What finding by the DHT needs. */
interface DhtFinderConfig {
  /** Lists this node under a topic in the DHT, and tells who else is. Never fails. */
  readonly meet$: (topic: Buffer, own$: Observable<UnlV3>) => Observable<Meeting>;
  /** Whether one of this machine's interfaces is on the same network as an address. */
  readonly isOnLink: (address: string) => boolean;
  readonly trace: DiscoveryTrace;
}

/** Finds the members of a room by the DHT, with no server. Of an endpoint is believed what enough nodes of the DHT agree on. */
export function dhtFinder({ meet$, isOnLink, trace }: DhtFinderConfig): Finder {
  return (topic, own$) => {
    const locator$ = ownLocator$(own$);
    let told: DiscoveryStep['state'] | undefined;
    return meet$(topic, locator$).pipe(
      tap(({ listedAt }) => {
        const state = listedAt > 0 ? 'listed' : 'refused';
        if (state !== told) trace({ type: 'topic', means: 'DHT', state });
        told = state;
      }),
      withLatestFrom(locator$),
      map(([{ members }, own]) => {
        const found = members.map(({ unl, seenAt }) => ({ unl, sightings: [{ at: seenAt }] }));
        return hearsayOfAll(found, own, isOnLink);
      }),
    );
  };
}
