import { dhtFinder } from '../rooms/discovery/dht.js';
import { finderOf, type Finder } from '../rooms/discovery/finder.js';
import { lanFinder } from '../rooms/discovery/lan.js';
import { rendezvousFinder } from '../rooms/discovery/rendezvous.js';
import { isOnLink } from '../self/locator.js';
import type { Trace } from '../trace.js';
import type { Node } from './node.js';

/** How the members of rooms find each other: by every means that a node has. */
export function findersOf({ host, lan, dht, sessions$ }: Node, trace: Trace): Finder {
  return finderOf([
    rendezvousFinder({ sessions$, isOnLink, runtime: host.runtime, trace }),
    ...(dht === undefined ? [] : [dhtFinder({ meet$: (topic, own$) => dht.meet$(topic, own$), isOnLink, trace })]),
    ...(lan === undefined ? [] : [lanFinder({ meet$: (topic) => lan.meet$(topic), trace })]),
  ]);
}
