import { noop, type Observable, type Subscription } from 'rxjs';
import { ProtocolError } from '../errors.js';
import type { FramedLink } from '../link/framed-link.js';
import { FRAME } from '../link/frames.js';
import { decodeEnd, encodeHello, type End, type Hello } from '../link/handshake.js';
import { NEVER_BEGUN, outOfReachReason, type CloseReason } from './close-reason.js';
import { Latest } from '../operators/latest.js';
import { Consent } from './consent.js';
import type { Beating } from './heartbeats.js';
import { pathOf, type Path } from './path.js';
import type { ConnectionContext, ConnectionStart } from './start.js';
import type { StreamHandler, TransportHost } from './transport/host.js';
import type { Need } from './transport/link-choice.js';
import { Transport } from './transport/transport.js';
import { Whereabouts } from './whereabouts.js';

/** Learns from an association what may end the connection. */
export interface AssociationHost {
  /** The peer refuses a further link, and says why. */
  onRefused(end: End): void;
  /** Another link is needed from now on, or none. */
  onNeed(need: Need): void;
  /** The last link is gone. Another may follow, except for a plain connection. */
  onLost(error: Error | undefined): void;
  /** The peer cannot be reached any more. */
  onGone(reason: CloseReason): void;
  /** The peer broke the protocol, or asks again for bytes that are not kept any more. */
  onFault(error: unknown): void;
}

/** What an association needs. */
export interface AssociationConfig extends ConnectionContext {
  /** Takes the peer's stream of bytes. */
  readonly stream: StreamHandler;
  readonly host: AssociationHost;
}

/**
 * What two nodes share while links between them come and go (SCTP's word, RFC 9260): a {@link Transport}, the peer's
 * {@link Consent} to the connection, and the {@link Whereabouts} of both. It says hello on each link, and sends heartbeats.
 */
export class Association implements Beating, TransportHost {
  readonly transport: Transport;
  readonly consent: Consent;
  readonly whereabouts: Whereabouts;

  readonly #config: AssociationConfig;
  readonly #start: ConnectionStart;
  readonly #path = new Latest<Path>();
  /** Ends the heartbeats. */
  #stopBeating = noop;
  #isClosed = false;
  /** Until the peer has agreed to the connection, … */
  #consentTimer: Subscription | undefined;
  /** … and while there is no working link. */
  #survivalTimer: Subscription | undefined;
  /** Why the last link broke. */
  #lostBy: Error | undefined;

  constructor(framed: FramedLink, start: ConnectionStart, config: AssociationConfig) {
    const { runtime, timing, limits, stream } = config;
    const { peerId } = framed.link;
    this.#config = config;
    this.#start = start;
    this.#path.next(pathOf(framed, undefined));
    this.consent = new Consent(start.id, this);
    this.whereabouts = new Whereabouts(peerId);
    this.whereabouts.note(framed.link);
    this.transport = new Transport(framed, start.confirmed, {
      scheduler: runtime.scheduler,
      unacknowledgedBytes: limits.unacknowledgedBytes,
      silenceMs: timing.silenceMs,
      handshakeMs: timing.handshakeMs,
      isControlling: start.isControlling,
      stream,
      host: this,
    });
  }

  /** The way to the peer; replays the latest. */
  get path$(): Observable<Path> {
    return this.#path.value$;
  }

  /** Says hello on the first link, and starts sending and receiving. Call it once, when `host` and `stream` are ready. */
  begin(): void {
    const { runtime, timing, heartbeats } = this.#config;
    const { lastLink: first } = this.transport;
    this.#sayFirstHello(first);
    if (this.#start.confirmed) this.consent.give();
    this.transport.start();
    // What had come on the link may have ended it.
    if (this.#isClosed) return;
    if (first.hasControlFrames) this.#stopBeating = heartbeats.add(this);
    if (!this.#start.confirmed)
      this.#consentTimer = runtime.scheduler.schedule(() => {
        this.#expectConsent();
      }, timing.handshakeMs);
  }

  /** Asks the peer for a sign of life. */
  ping(): void {
    this.transport.ping(Buffer.from(this.#config.runtime.newId()));
  }

  /** See {@link Beating}. */
  beat(): void {
    this.ping();
  }

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
    this.#isClosed = true;
    this.#stopBeating();
    this.#consentTimer?.unsubscribe();
    this.#survivalTimer?.unsubscribe();
    this.#path.forget();
    this.#path.complete();
    this.whereabouts.complete();
    this.consent.close();
  }

  /** The peer has agreed to the connection. */
  onConsent(): void {
    this.#consentTimer?.unsubscribe();
    this.#consentTimer = undefined;
    this.#sayLocator();
  }

  /** See {@link TransportHost}. */
  onHello(hello: Hello): void {
    if (this.consent.hear(hello)) this.ping();
  }

  /** See {@link TransportHost}. */
  onRefused(payload: Buffer): void {
    this.#config.host.onRefused(decodeEnd(payload));
  }

  /** See {@link TransportHost}. */
  onLocator(payload: Buffer): void {
    this.whereabouts.hear(payload);
  }

  /** See {@link TransportHost}. A connection without a working link is kept for a while. */
  onNeed(need: Need): void {
    const { runtime, timing } = this.#config;
    this.#survivalTimer?.unsubscribe();
    this.#survivalTimer =
      need === 'any' && !this.#isClosed
        ? runtime.scheduler.schedule(() => {
            this.#giveUp();
          }, timing.survivalMs)
        : undefined;
    this.#config.host.onNeed(need);
  }

  /** See {@link TransportHost}. */
  onPath(framed: FramedLink): void {
    this.#path.next(pathOf(framed, undefined));
    this.whereabouts.note(framed.link);
    this.#sayLocator();
    if (this.consent.isGiven) this.ping();
  }

  /** See {@link TransportHost}. */
  onRoundTrip(framed: FramedLink, ms: number): void {
    this.#path.next(pathOf(framed, ms));
  }

  /** See {@link TransportHost}. */
  onLost(error: Error | undefined): void {
    this.#lostBy = error;
    const spare = this.consent.takeSpare();
    if (spare === undefined) this.#config.host.onLost(error);
    else this.moveTo(spare.framed, spare.id);
  }

  /** See {@link TransportHost}. */
  onFault(error: unknown): void {
    this.#config.host.onFault(error);
  }

  #sayFirstHello(framed: FramedLink): void {
    const { attempt } = this.#start;
    framed.write(FRAME.hello, encodeHello({ connection: this.consent.id, attempt }));
  }

  #sayHello(framed: FramedLink, attempt?: string): void {
    const { received, lost } = this.transport;
    const state = this.consent.isGiven ? { received, lost } : {};
    framed.write(FRAME.hello, encodeHello({ connection: this.consent.id, attempt, ...state }));
  }

  #sayLocator(): void {
    const { own } = this.whereabouts;
    if (this.consent.isGiven && own !== undefined) this.transport.say(FRAME.locator, Buffer.from(own));
  }

  #expectConsent(): void {
    if (this.consent.isGiven) return;
    if (this.transport.currentLink === undefined) this.#config.host.onGone(NEVER_BEGUN);
    else this.#config.host.onFault(new ProtocolError('The peer proved its key and then said nothing'));
  }

  #giveUp(): void {
    const hasLink = this.transport.currentLink !== undefined;
    this.#config.host.onGone(outOfReachReason(hasLink, this.#lostBy, this.#config.timing.survivalMs));
  }
}
