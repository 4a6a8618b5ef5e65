import { defer, map, withLatestFrom, type Observable } from 'rxjs';
import type { UnlV3 } from '../../unl/types.js';
import type { Finder } from './finder.js';
import { ownLocator$ } from './hearsay.js';
import type { DiscoveryTrace } from './steps.js';

/** What finding on the local network needs. */
interface LanFinderConfig {
  /** Says there that this node wants to be found under a topic, and tells who else does, with endpoints of that network alone. Never fails. */
  readonly meet$: (topic: Buffer) => Observable<readonly UnlV3[]>;
  readonly trace: DiscoveryTrace;
}

/** Finds the members of a room on the local network, with no server. */
export function lanFinder({ meet$, trace }: LanFinderConfig): Finder {
  return (topic, own$) =>
    defer(() => {
      trace({ type: 'topic', means: 'LAN', state: 'listed' });
      return meet$(topic).pipe(
        withLatestFrom(ownLocator$(own$)),
        map(([members, own]) => members.filter(({ peerId }) => peerId !== own.peerId)),
      );
    });
}
