import { BehaviorSubject, noop, Subscription, timer, type Observable, type SchedulerLike } from 'rxjs';
import { ProtocolError } from '../errors.js';
import type { FramedLink } from '../link/framed-link.js';
import { FRAME } from '../link/frames.js';
import { decodeEnd, encodeHello, type End, type Hello } from '../link/handshake.js';
import { NEVER_BEGUN, outOfReachReason, type CloseReason } from './close-reason.js';
import { Consent } from './consent.js';
import { pathOf, type Path } from './path.js';
import type { ConnectionContext, ConnectionStart } from './start.js';
import type { StreamHandler, TransportHost } from './transport/host.js';
import { Transport } from './transport/transport.js';
import { Whereabouts } from './whereabouts.js';

/** Learns from an association what may end the connection. */
export interface AssociationHost {
  /** The peer refuses a further link, and says why. */
  onRefused(end: End): void;
  /** The last link is gone. Another may follow, except for a plain connection. */
  onLost(error: Error | undefined): void;
  /** The peer cannot be reached any more. */
  onGone(reason: CloseReason): void;
  /** The peer broke the protocol, or asks again for bytes that are not kept any more. */
  onFault(error: unknown): void;
}

/** What an association needs. */
export interface AssociationConfig extends Pick<ConnectionContext, 'runtime' | 'timing' | 'limits'> {
  /** Takes the peer's stream of bytes. */
  readonly stream: StreamHandler;
  readonly host: AssociationHost;
}

/**
 * What two nodes share while links between them come and go (SCTP's word, RFC 9260): a {@link Transport}, the peer's
 * {@link Consent} to the connection, and the {@link Whereabouts} of both. It says hello on each link, and sends heartbeats.
 */
export class Association {
  readonly transport: Transport;
  readonly consent: Consent;
  readonly whereabouts: Whereabouts;
  /** The way to the peer; replays the latest. */
  readonly path$: Observable<Path>;

  readonly #config: AssociationConfig;
  readonly #start: ConnectionStart;
  readonly #path: BehaviorSubject<Path>;
  readonly #running = new Subscription();
  /** Why the last link broke. */
  #lostBy: Error | undefined;

  constructor(framed: FramedLink, start: ConnectionStart, config: AssociationConfig) {
    const { runtime, timing, limits, stream } = config;
    const { peerId } = framed.link;
    this.#config = config;
    this.#start = start;
    this.#path = new BehaviorSubject(pathOf(framed, undefined));
    this.path$ = this.#path.asObservable();
    this.consent = new Consent(start.id);
    this.whereabouts = new Whereabouts(peerId);
    this.whereabouts.note(framed.link);
    this.transport = new Transport(framed, start.confirmed, {
      scheduler: runtime.scheduler,
      unacknowledgedBytes: limits.unacknowledgedBytes,
      silenceMs: timing.silenceMs,
      handshakeMs: timing.handshakeMs,
      isControlling: start.isControlling,
      stream,
      host: this.#host,
    });
  }

  /** Says hello on the first link, and starts sending and receiving. Call it once, when `host` and `stream` are ready. */
  begin(): void {
    const { runtime, timing } = this.#config;
    const { scheduler } = runtime;
    const { lastLink: first } = this.transport;
    this.#run(this.consent.given$, this.#sayLocator);
    this.#sayFirstHello(first);
    if (this.#start.confirmed) this.consent.give();
    // A connection without a working link is kept for a while.
    let kept: Subscription | undefined;
    this.#run(this.transport.need$, (need) => {
      kept?.unsubscribe();
      kept = need === 'any' ? scheduler.schedule(this.#giveUp, timing.survivalMs) : undefined;
      this.#running.add(kept);
    });
    this.transport.start();
    if (first.hasControlFrames) this.#beat(timing.heartbeatMs, scheduler);
    if (!this.#start.confirmed) this.#run(timer(timing.handshakeMs, scheduler), this.#expectConsent);
  }

  /** Asks the peer for a sign of life. */
  readonly ping = (): void => {
    this.transport.ping(Buffer.from(this.#config.runtime.newId()));
  };

  /** Adds a link that this side has made, if the connection needs it; else closes it. */
  offer(framed: FramedLink, attempt?: string): void {
    if (!this.transport.hasRoom || !this.transport.wants(framed)) {
      framed.destroy();
      return;
    }
    this.#sayHello(framed, attempt);
    this.transport.offer(framed);
  }

  /** Adds a link that the peer has made and said hello on. */
  take(framed: FramedLink, hello: Hello): void {
    if (!this.transport.hasRoom) {
      framed.destroy();
      return;
    }
    // Before the peer's hello is handled, which changes what this side would report as lost.
    this.#sayHello(framed);
    this.transport.take(framed, hello);
  }

  /** The peer chose another link than the first: sends everything again there. */
  moveTo(framed: FramedLink, id: string): void {
    this.consent.id = id;
    this.#sayFirstHello(framed);
    this.transport.restart(framed);
    this.consent.give();
  }

  /** Tells the peer this node's locator, now and whenever the connection moves to another link. */
  tellLocator(text: string): void {
    this.whereabouts.own = text;
    this.#sayLocator();
  }

  /** Stops all timers and completes all streams. The transport is closed already. */
  close(): void {
    this.#running.unsubscribe();
    this.#path.complete();
    this.whereabouts.complete();
    this.consent.close();
  }

  readonly #host: TransportHost = {
    onHello: (hello) => {
      if (this.consent.hear(hello)) this.ping();
    },
    onRefused: (payload) => {
      this.#config.host.onRefused(decodeEnd(payload));
    },
    onLocator: (payload) => {
      this.whereabouts.hear(payload);
    },
    onPath: (framed) => {
      this.#path.next(pathOf(framed, undefined));
      this.whereabouts.note(framed.link);
      this.#sayLocator();
      if (this.consent.isGiven) this.ping();
    },
    onRoundTrip: (framed, ms) => {
      this.#path.next(pathOf(framed, ms));
    },
    onLost: (error) => {
      this.#lostBy = error;
      const spare = this.consent.takeSpare();
      if (spare === undefined) this.#config.host.onLost(error);
      else this.moveTo(spare.framed, spare.id);
    },
    onFault: (error) => {
      this.#config.host.onFault(error);
    },
  };

  #sayFirstHello(framed: FramedLink): void {
    const { attempt } = this.#start;
    framed.write(FRAME.hello, encodeHello({ connection: this.consent.id, attempt }));
  }

  #sayHello(framed: FramedLink, attempt?: string): void {
    const { received, lost } = this.transport;
    const state = this.consent.isGiven ? { received, lost } : {};
    framed.write(FRAME.hello, encodeHello({ connection: this.consent.id, attempt, ...state }));
  }

  readonly #sayLocator = (): void => {
    const { own } = this.whereabouts;
    if (this.consent.isGiven && own !== undefined) this.transport.say(FRAME.locator, Buffer.from(own));
  };

  readonly #expectConsent = (): void => {
    if (this.consent.isGiven) return;
    if (this.transport.currentLink === undefined) this.#config.host.onGone(NEVER_BEGUN);
    else this.#config.host.onFault(new ProtocolError('The peer proved its key and then said nothing'));
  };

  readonly #giveUp = (): void => {
    const hasLink = this.transport.currentLink !== undefined;
    this.#config.host.onGone(outOfReachReason(hasLink, this.#lostBy, this.#config.timing.survivalMs));
  };

  /** Sends heartbeats. An `interval` would do the same, but takes half a kilobyte more memory for each connection. */
  #beat(ms: number, scheduler: SchedulerLike): void {
    const { ping } = this;
    this.#running.add(
      scheduler.schedule(function () {
        ping();
        this.schedule(undefined, ms);
      }, ms),
    );
  }

  /** Runs an action at each emission, until the association is closed. */
  #run<T>(times$: Observable<T>, action: (value: T) => void): void {
    this.#running.add(times$.subscribe({ next: action, error: noop }));
  }
}
