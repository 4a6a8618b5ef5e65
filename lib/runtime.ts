import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { defaultGateway$, routedAddress$ } from './port-mapping/gateway.js';
import { multicast$ } from './link/multicast.js';
import { dial$, listen$ } from './link/tcp.js';
import { webTls$ } from './link/web-tls.js';
import { unguessable } from './unguessable.js';

/**
 * The outside world as the library uses it: time, randomness and sockets. Specs pass their own, with virtual time and chosen
 * numbers.
 */
export interface Runtime {
  /** Timers, and a clock that never jumps: how long things take is measured by it. */
  readonly scheduler: SchedulerLike;
  /** The time of day in milliseconds since the epoch, which may jump when somebody sets the clock. */
  readonly timeOfDay: () => number;
  /** A number from 0 up to but not including 1, for jitter and choice. Not for secrets. */
  readonly random: () => number;
  /** A new id that nobody can guess: 22 base64url characters, 128 bits. */
  readonly newId: () => string;
  /** Opens a TCP connection. Emits the socket and completes; unsubscribed before that, it gives up. */
  readonly dial$: typeof dial$;
  /** Listens for TCP connections until it is unsubscribed. Emits once the port is open. */
  readonly listen$: typeof listen$;
  /** Sends packets to the groups of multicast DNS, and receives those of the same networks, until it is unsubscribed. */
  readonly multicast$: typeof multicast$;
  /** Secures a connection to a web server. Emits the stream and completes; unsubscribed before that, it closes the socket. */
  readonly webTls$: typeof webTls$;
  /** Finds the default gateway of a family of addresses. Emits it and completes; completes alone where there is none. */
  readonly gateway$: typeof defaultGateway$;
  /** Finds the local address that the default route of a family leads from. Emits it and completes; completes alone where there is none. */
  readonly routedAddress$: typeof routedAddress$;
}

/** Asked once: to ask for it takes as long as to ask for the time, and whatever arrives asks for that. */
const TIME_ORIGIN = performance.timeOrigin;

/** The real clock, random numbers and sockets. */
export const systemRuntime: Runtime = {
  scheduler: {
    now: () => TIME_ORIGIN + performance.now(),
    schedule: asyncScheduler.schedule.bind(asyncScheduler),
  },
  timeOfDay: Date.now,
  random: Math.random,
  newId: unguessable(16),
  dial$,
  listen$,
  multicast$,
  webTls$,
  gateway$: defaultGateway$,
  routedAddress$,
};
