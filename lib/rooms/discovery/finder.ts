import { merge, type Observable } from 'rxjs';
import type { UnlV3 } from '../../unl/types.js';

/** What the members of a room are listed under: 32 bytes. */
export type TopicId = Buffer;

/**
 * A means by which the members of a room find each other. Announces this node under a topic, and finds others that have announced themselves, until
 * it is unsubscribed from. Never fails and never completes: a means that does not work now is tried again.
 *
 * What it emits is hearsay, of which there is left what this node may dial: of each locator at most four endpoints (`lib/unl/dialable.ts`).
 * Lists may be empty, and name a node again, but never this one. Servers that a locator names are the peer's own word.
 *
 * @param topic what they are listed under.
 * @param own$ this node's locator, whenever it changes; replays the latest.
 */
export type Finder = (topic: TopicId, own$: Observable<string>) => Observable<readonly UnlV3[]>;

/** Finds by several means at once. */
export function finderOf(finders: readonly Finder[]): Finder {
  return (topic, own$) => merge(...finders.map((finder) => finder(topic, own$)));
}
