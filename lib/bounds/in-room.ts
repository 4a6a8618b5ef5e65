import { Observable, type MonoTypeOperatorFunction } from 'rxjs';
import type { Admission, NoRoom } from './admission.js';

/** Where work takes room. */
interface InRoomConfig {
  /** The room, which much other work shares. Its entries are what to call when one of them has to give way. */
  readonly room: Admission<() => void>;
  /** The site that the work is counted by. */
  readonly site: string;
  /** The error that the work ends with, by why it finds no room, or finds none any more. */
  readonly refusal: (why: NoRoom | 'gave-way') => Error;
}

/**
 * Takes an entry of a room for as long as it is subscribed to. Where there is none, the source is not subscribed to and `refusal` is
 * the error. When a newcomer of another site needs the entry, the source is unsubscribed and the same is said.
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
