import { defer, from, Observable, switchMap, takeUntil } from 'rxjs';
import { UnavailableError, reasonOf } from '../errors.js';
import { NO_DATA, type EntryConfig } from './entry.js';
import type { RoomNet } from './host.js';
import type { Room } from './interface.js';
import type { ResolvedJoin } from './options.js';
import { RunningRoom } from './room.js';
import { invalidOption } from '../validate.js';
import { openRoomKeys, secretRoomKeys, type RoomKeys } from './secret.js';

/**
 * Joins a room, and leaves it when it is unsubscribed from. Emits the room once it is being joined; completes when the net is closed.
 *
 * @throws InvalidOptionError when this net is in the room already.
 *
 * @param closed$ emits when the net is about to close: the room is left before.
 */
export function joinRoom$(net: RoomNet, join: ResolvedJoin, closed$: Observable<unknown>): Observable<Room> {
  return defer(() => from(keysOf(join))).pipe(
    switchMap(({ keys, secret }) => run$({ net, join, keys, secret })),
    takeUntil(closed$),
  );
}

function run$(config: ConstructorParameters<typeof RunningRoom>[0]): Observable<Room> {
  const { net, join, keys } = config;
  return new Observable((subscriber) => {
    // Both would answer on the same channels of the same peers.
    if (net.joined.has(keys.channel)) {
      subscriber.error(invalidOption('name', 'a room that this net is not in yet', join.name));
      return undefined;
    }
    net.joined.add(keys.channel);
    const room = new RunningRoom(config);
    room.start();
    subscriber.next(room);
    return () => {
      room.leave();
      net.joined.delete(keys.channel);
    };
  });
}

/** What names the room, and what guards it. CPace is loaded only where there is a secret. */
async function keysOf({
  name,
  secret,
}: ResolvedJoin): Promise<{ readonly keys: RoomKeys; readonly secret: EntryConfig['secret'] }> {
  if (secret === undefined) return { keys: openRoomKeys(name), secret: undefined };
  const [keys, { Cpace }] = await Promise.all([secretRoomKeys(name, secret), loadCpace()]);
  const { code } = keys;
  if (code === undefined) return { keys, secret: undefined };
  return { keys, secret: { code, cpace: (role, inputs) => new Cpace(role, inputs, NO_DATA) } };
}

async function loadCpace() {
  try {
    return await import('../pairing/cpace.js');
  } catch (cause) {
    throw new UnavailableError(`What proves secrets could not be loaded: ${reasonOf(cause)}; start the process anew`, {
      cause,
    });
  }
}
