import { finderOf, type Finder } from '../rooms/discovery/finder.js';
import { rendezvousFinder } from '../rooms/discovery/rendezvous.js';
import { isOnLink } from '../self/locator.js';
import type { Trace } from '../trace.js';
import type { Node } from './node.js';

/** How the members of rooms find each other: by every means that a node has. */
export function findersOf({ host, sessions$ }: Node, trace: Trace): Finder {
  return finderOf([rendezvousFinder({ sessions$, isOnLink, runtime: host.runtime, trace })]);
}
