import { Observable, type MonoTypeOperatorFunction } from 'rxjs';
import type { Admission, NoRoom } from './admission.js';

/** What limits the work. */
interface InRoomConfig {
  /** The room, shared with other work. Its entries are functions; each is called when its entry is evicted. */
  readonly room: Admission<() => void>;
  /** The site that the work is counted by. */
  readonly site: string;
  /** Makes the error for work that is not admitted or is evicted. */
  readonly refusal: (why: NoRoom | 'gave-way') => Error;
}

/**
 * Takes an entry of a room while it is subscribed to. Without a free entry it fails with the error of `refusal` and does not
 * subscribe to the source. When a newcomer of another site evicts the entry, it unsubscribes from the source and fails in the
 * same way.
 *
 * @example
 * const room = new Admission<() => void>({ most: 256, mostOfSite: 64 });
 * handshake$(socket).pipe(inRoom({ room, site: siteOf(address), refusal: (why) => new DialError(`No room: ${why}`) }));
 */
export function inRoom<T>({ room, site, refusal }: InRoomConfig): MonoTypeOperatorFunction<T> {
  return (source$) =>
    new Observable((subscriber) => {
      const why = room.refusalOf(site);
      if (why !== undefined) {
        subscriber.error(refusal(why));
        return undefined;
      }
      const giveWay = () => {
        subscriber.error(refusal('gave-way'));
      };
      subscriber.add(() => {
        room.leave(site, giveWay);
      });
      room.admit(site, giveWay).gaveWay?.();
      return source$.subscribe(subscriber);
    });
}
