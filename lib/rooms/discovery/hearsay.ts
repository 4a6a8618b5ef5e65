import { distinctUntilChanged, filter, map, shareReplay, type Observable } from 'rxjs';
import { parseUnl } from '../../unl.js';
import { hearsayOf, type Sighting } from '../../unl/dialable.js';
import { endpointsIn } from '../../unl/near.js';
import type { UnlV3 } from '../../unl/types.js';

/** This node's locator, parsed; one of version 2 has no key, and so cannot be announced. */
export function ownLocator$(own$: Observable<string>): Observable<UnlV3> {
  return own$.pipe(
    distinctUntilChanged(),
    map((text) => parseUnl(text)),
    filter((unl) => unl.version === 3),
    shareReplay({ bufferSize: 1, refCount: true }),
  );
}

/** A node that was found. */
export interface FoundMember {
  /** Its locator: its own word, or that of whoever passed it on. */
  readonly unl: UnlV3;
  /** Where it was seen. */
  readonly sightings: readonly Sighting[];
}

/** What of the nodes that were found this node may dial, without itself. */
export function hearsayOfAll(
  members: readonly FoundMember[],
  own: UnlV3,
  isOnLink: (address: string) => boolean,
): readonly UnlV3[] {
  const standpoint = { own: endpointsIn(own), isOnLink };
  return members
    .filter(({ unl }) => unl.peerId !== own.peerId)
    .map(({ unl, sightings }) => hearsayOf(unl, sightings, standpoint));
}
