import type { Observable, SchedulerLike, Subscription } from 'rxjs';
import { ProtocolError } from '../errors.js';
import type { FramedLink } from '../link/framed-link.js';
import { FRAME } from '../link/frames.js';
import { decodeEnd, encodeHello, type End, type Hello } from '../link/handshake.js';
import { NEVER_BEGUN, outOfReachReason, type CloseReason } from './close-reason.js';
import { Latest } from '../operators/latest.js';
import { Consent } from './consent.js';
import type { Beating, Heartbeat } from './heartbeats.js';
import { pathOf, type Path } from './path.js';
import type { ConnectionContext, ConnectionStart } from './start.js';
import type { StreamHandler, TransportConfig, TransportHost } from './transport/host.js';
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

/**
 * What two nodes share while links between them come and go (SCTP's word, RFC 9260): a {@link Transport}, the peer's
 * {@link Consent} to the connection, and the {@link Whereabouts} of both. It says hello on each link, and sends heartbeats. The transport asks it for
 * what it needs: an object with that would be one more for each connection.
 */
export class Association implements Beating, TransportConfig, TransportHost {
  readonly transport: Transport;
  readonly consent: Consent;
  readonly whereabouts: Whereabouts;

  /** See {@link TransportConfig}. */
  readonly stream: StreamHandler;

  readonly #context: ConnectionContext;
  readonly #above: AssociationHost;
  readonly #start: ConnectionStart;
  readonly #path = new Latest<Path>();
  #heartbeat: Heartbeat | undefined;
  #isClosed = false;
  /** Until the peer has agreed to the connection, … */
  #consentTimer: Subscription | undefined;
  /** … and while there is no working link. */
  #survivalTimer: Subscription | undefined;
  /** Why the last link broke. */
  #lostBy: Error | undefined;

  /** @param above takes the peer's stream of bytes, and learns what becomes of the association. */
  constructor(
    framed: FramedLink,
    start: ConnectionStart,
    context: ConnectionContext,
    above: StreamHandler & AssociationHost,
  ) {
    this.#context = context;
    this.#above = this.stream = above;
    this.#start = start;
    this.#path.next(pathOf(framed, undefined));
    this.consent = new Consent(start.id, this);
    this.whereabouts = new Whereabouts(framed.link.peerId);
    this.whereabouts.note(framed.link);
    this.transport = new Transport(framed, start.confirmed, this);
  }

  /** See {@link TransportConfig}. */
  get scheduler(): SchedulerLike {
    return this.#context.runtime.scheduler;
  }

  /** See {@link TransportConfig}. */
  get isControlling(): boolean {
    return this.#start.isControlling;
  }

  /** See {@link TransportConfig}. */
  get unacknowledgedBytes(): number {
    return this.#context.limits.unacknowledgedBytes;
  }

  /** See {@link TransportConfig}. */
  get silenceMs(): number {
    return this.#context.timing.silenceMs;
  }

  /** See {@link TransportConfig}. */
  get handshakeMs(): number {
    return this.#context.timing.handshakeMs;
  }

  /** See {@link TransportConfig}. */
  get host(): TransportHost {
    return this;
  }

  /** The way to the peer; replays the latest. */
  get path$(): Observable<Path> {
    return this.#path.value$;
  }

  /** Says hello on the first link, and starts sending and receiving. Call it once, when `host` and `stream` are ready. */
  begin(): void {
    const { runtime, timing, heartbeats } = this.#context;
    const { lastLink: first } = this.transport;
    // With what the application sends when it is handed the connection.
    first.corkTurn();
    this.#sayFirstHello(first);
    if (this.#start.confirmed) this.consent.give();
    this.transport.start();
    // What had come on the link may have ended it.
    if (this.#isClosed) return;
    if (first.hasControlFrames) this.#heartbeat = heartbeats.add(this);
    if (!this.#start.confirmed)
      this.#consentTimer = runtime.scheduler.schedule(() => {
        this.#expectConsent();
      }, timing.handshakeMs);
  }

  /** Asks the peer for a sign of life. */
  ping(): void {
    this.transport.ping(Buffer.from(this.#context.runtime.newId()));
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
    if (this.#heartbeat !== undefined) this.#context.heartbeats.end(this.#heartbeat);
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
    this.#above.onRefused(decodeEnd(payload));
  }

  /** See {@link TransportHost}. */
  onLocator(payload: Buffer): void {
    this.whereabouts.hear(payload);
  }

  /** See {@link TransportHost}. A connection without a working link is kept for a while. */
  onNeed(need: Need): void {
    const { runtime, timing } = this.#context;
    this.#survivalTimer?.unsubscribe();
    this.#survivalTimer =
      need === 'any' && !this.#isClosed
        ? runtime.scheduler.schedule(() => {
            this.#giveUp();
          }, timing.survivalMs)
        : undefined;
    this.#above.onNeed(need);
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
    if (spare === undefined) this.#above.onLost(error);
    else this.moveTo(spare.framed, spare.id);
  }

  /** See {@link TransportHost}. */
  onFault(error: unknown): void {
    this.#above.onFault(error);
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
    if (this.transport.currentLink === undefined) this.#above.onGone(NEVER_BEGUN);
    else this.#above.onFault(new ProtocolError('The peer proved its key and then said nothing'));
  }

  #giveUp(): void {
    const hasLink = this.transport.currentLink !== undefined;
    this.#above.onGone(outOfReachReason(hasLink, this.#lostBy, this.#context.timing.survivalMs));
  }
}
