import {
  catchError,
  defer,
  finalize,
  ignoreElements,
  merge,
  mergeMap,
  noop,
  of,
  switchMap,
  take,
  takeUntil,
  type Observable,
} from 'rxjs';
import { Admission } from '../bounds/admission.js';
import { siteOf } from '../bounds/site.js';
import type { Channel } from '../connection/connection.js';
import { reasonOf } from '../errors.js';
import type { PeerId } from '../identity.js';
import { dial$ } from '../link/tcp.js';
import type { Net } from '../net/interface.js';
import { joined$, RESET_CODE } from './joined.js';

/** Which service peers are to reach. */
export interface ExposePortConfig {
  /** The name of the channels that lead to it, or several names for one service. */
  readonly name: string | readonly string[];
  /** Where the service is: a host name or an address. Default: `localhost`. */
  readonly host?: string | undefined;
  /** The service's TCP port, 1 to 65535. */
  readonly port: number;
  /**
   * How many streams of all peers may lead to it at once, by all its names: each takes a descriptor. When there are so many, an address with fewer than others
   * gets the place of the newest of the address with the most. Default: 4096.
   */
  readonly streams?: number | undefined;
}

/** A stream that did not get to the service. */
export interface FailedStream {
  /** The peer that opened it. */
  readonly peerId: PeerId;
  /** What went wrong, in words. */
  readonly reason: string;
}

const STREAMS = 4_096;

/**
 * Lets peers reach a TCP service: each channel that they open by its name leads to a TCP connection of its own, and to nothing else. Who
 * may connect is decided by `acceptPeer` of `createNet`. The other end is {@link forwardPort$}.
 *
 * @returns a cold Observable, which emits each stream that has failed, and completes when the net is closed. Unsubscribing resets the
 * streams that are open; do so before `net.close()`, which ends them in order wherever they are.
 * @throws InvalidOptionError (`INVALID_OPTION`) for a name of more than 256 bytes.
 *
 * @example
 * exposePort$(net, { name: 'web', port: 8080 }).subscribe(({ reason }) => console.error(reason));
 */
export function exposePort$(
  net: Pick<Net, 'channels$'>,
  { name, host = 'localhost', port, streams = STREAMS }: ExposePortConfig,
): Observable<FailedStream> {
  return defer(() => {
    const room = new Admission<Channel>({ most: streams });
    const names = typeof name === 'string' ? [name] : name;
    return merge(...names.map((each) => net.channels$(each, { allowHalfOpen: true }))).pipe(
      mergeMap((channel) => {
        const { peerId } = channel.connection;
        const site = siteOfPeer(channel);
        const { isIn, gaveWay } = room.admit(site, channel);
        gaveWay?.reset(RESET_CODE.busy, 'too many streams are open');
        if (!isIn) {
          channel.reset(RESET_CODE.busy, 'too many streams are open');
          return of({ peerId, reason: `${streams} streams are open` });
        }
        // It may be reset before the service has answered.
        channel.toDuplex().on('error', noop);
        const socket$ = dial$({ host, port }).pipe(takeUntil(channel.closed$));
        return socket$.pipe(
          switchMap((socket) => joined$(socket, channel)),
          ignoreElements(),
          catchError((error: unknown) => {
            channel.reset(RESET_CODE.unreachable, 'the service cannot be reached');
            return of({ peerId, reason: reasonOf(error) });
          }),
          finalize(() => {
            // Unsubscribed while the service is dialled; else it has ended already.
            channel.reset();
            room.leave(site, channel);
          }),
        );
      }),
    );
  });
}

/** Peers are counted by the addresses that they come from; those that come by one relay are one. */
function siteOfPeer({ connection }: Channel): string {
  let address: string | undefined;
  connection.path$.pipe(take(1)).subscribe({
    next: ({ remote }) => {
      address = remote.address;
    },
    error: noop,
  });
  return siteOf(address);
}
