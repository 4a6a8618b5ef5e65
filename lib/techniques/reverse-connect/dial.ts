import { EMPTY, map, merge, mergeMap, NEVER, retry, switchMap, timer } from 'rxjs';
import { DialError, TimeoutError } from '../../errors.js';
import { LaterError, NOT_NOW } from '../../peers/guests.js';
import { candidatesOf } from '../direct.js';
import type { Dial } from '../technique.js';
import { dialBackSignal, readRefusal } from './messages.js';
import { REVERSE_CONNECT } from './traits.js';
import { NO_SIGNAL } from '../asks.js';

/** The peer tries several dials one after the other, so it gets the time of this many. */
const PATIENCE = 2;

/** A peer that has too much to do, or is yet to see where this node is, is asked again after this time, in milliseconds … */
const LATER_MS = 1_000;

/** … and so often in all. */
const MAX_ASKS = 4;

/**
 * Asks the peer to dial this node, which can be dialled, where the peer cannot: PyP2P's reverse connect. The link that comes
 * names the attempt, and proves the peer's key as any other does. A peer that is offline gets the request when it comes back,
 * within the time limit of the technique.
 */
export const dialByReverseConnect: Dial = (attempt$) =>
  attempt$.pipe(
    switchMap(({ id, own, peer, signalling, expect$, timing, scheduler }) => {
      if (peer.version !== 3 || own.version !== 3) throw new DialError('The UNL has no key to send a signal to');
      if (own.nodeType !== 'passive') throw new DialError('Others cannot dial this node, so the peer need not try');
      if (candidatesOf(peer, own).length === 0)
        throw new DialError('This node has no endpoint that the peer could dial from where it is');
      const refused$ = signalling.signal$.pipe(
        mergeMap((signal) => {
          const refusal = readRefusal(signal);
          if (signal.from !== peer.peerId || refusal?.attempt !== id) return EMPTY;
          const words = `The peer does not dial back: ${refusal.reason}`;
          throw refusal.reason === NOT_NOW ? new LaterError(words) : new DialError(words);
        }),
      );
      // A peer that has the request dials at once. A peer that has not may fetch it later.
      const late$ = timer(PATIENCE * timing.dialMs, scheduler).pipe(
        map(() => {
          throw new TimeoutError(`The peer did not dial back within ${PATIENCE * timing.dialMs} ms`);
        }),
      );
      const asked$ = signalling
        .send$(peer.peerId, dialBackSignal(id, own), { keepMs: timing.techniqueMs, isEverywhere: true })
        .pipe(
          switchMap((delivery) => {
            if (delivery === 'absent') throw new DialError(NO_SIGNAL);
            return delivery === 'delivered' ? late$ : EMPTY;
          }),
        );
      // The inbound link ends the attempt, so this side emits nothing.
      return merge(expect$(REVERSE_CONNECT.name), refused$, asked$, NEVER).pipe(
        retry({
          count: MAX_ASKS - 1,
          delay: (error: unknown) => {
            if (error instanceof LaterError) return timer(LATER_MS, scheduler);
            throw error;
          },
        }),
      );
    }),
  );
