import type { Duplex } from 'node:stream';
import {
  BehaviorSubject,
  concat,
  defer,
  EMPTY,
  ignoreElements,
  interval,
  map,
  merge,
  noop,
  race,
  ReplaySubject,
  Subscription,
  switchMap,
  take,
  timer,
  type Observable,
  type ObservableInput,
} from 'rxjs';
import type { Endpoint } from '../endpoint.js';
import { ProtocolError } from '../errors.js';
import type { PeerId } from '../identity.js';
import type { Channel } from '../link/channel.js';
import { FRAME } from '../link/frames.js';
import { decodeEnd, encodeHello, type Hello } from '../link/handshake.js';
import type { UnlV3 } from '../unl/types.js';
import {
  brokenReason,
  CLOSED_HERE,
  DROPPED_HERE,
  failureReason,
  NEVER_BEGUN,
  outOfReachReason,
  type CloseReason,
} from './close-reason.js';
import type { Connection, Direction } from './connection.js';
import { Consent } from './consent.js';
import { Ending } from './ending.js';
import { LineStream } from './line-stream.js';
import { pathOf, type Path } from './path.js';
import type { ConnectionContext, ConnectionStart } from './start.js';
import type { StreamHandler, TransportHost } from './transport/host.js';
import type { Need } from './transport/link-choice.js';
import { Transport } from './transport/transport.js';
import { Whereabouts } from './whereabouts.js';

/**
 * A connection: a {@link LineStream} over a {@link Transport}, which goes over one link after the other. The peer's
 * {@link Consent} begins it, {@link Ending} ends it.
 *
 * The side that dialled may send at once, a round trip before it can know that the peer has taken this very link as the
 * connection (both may have dialled). Should the peer have taken another, all of it is sent again there.
 */
export class PeerConnection implements Connection {
  readonly peerId: PeerId;
  readonly direction: Direction;
  readonly lines$: Observable<string>;
  readonly drain$: Observable<void>;
  readonly path$: Observable<Path>;
  readonly closed$: Observable<CloseReason>;

  readonly #context: ConnectionContext;
  /** The peer's attempt that this connection answers. */
  readonly #attempt: string | undefined;
  readonly #closed = new ReplaySubject<CloseReason>(1);
  readonly #path: BehaviorSubject<Path>;
  readonly #running = new Subscription();
  readonly #consent: Consent;
  readonly #whereabouts: Whereabouts;
  readonly #ending: Ending;
  readonly #lines: LineStream;
  readonly #transport: Transport;
  /** Why the last link broke. */
  #lostBy: Error | undefined;

  constructor(channel: Channel, start: ConnectionStart, context: ConnectionContext) {
    const { id, direction, confirmed, isControlling, attempt } = start;
    const { timing, limits, runtime } = context;
    this.peerId = channel.link.peerId;
    this.direction = direction;
    this.#context = context;
    this.#attempt = attempt;
    this.#path = new BehaviorSubject(pathOf(channel, undefined));
    this.#consent = new Consent(id);
    this.#whereabouts = new Whereabouts(this.peerId);
    this.#whereabouts.note(channel.link);
    this.#lines = this.#linesOver(channel);
    this.#transport = new Transport(channel, confirmed, {
      ...limits,
      ...timing,
      scheduler: runtime.scheduler,
      isControlling,
      stream: this.#stream,
      host: this.#host,
    });
    this.#ending = new Ending({
      closeMs: timing.closeMs,
      scheduler: runtime.scheduler,
      isFramed: channel.framed,
      lines: this.#lines,
      transport: this.#transport,
      onClosed: (reason) => {
        this.#onClosed(reason);
      },
    });
    this.lines$ = this.#lines.lines$;
    this.drain$ = this.#lines.drain$;
    this.path$ = this.#path.asObservable();
    this.closed$ = this.#closed.asObservable();
    this.#begin(channel, confirmed);
  }

  #linesOver({ lineEnd }: Channel): LineStream {
    return new LineStream({
      limits: this.#context.limits,
      lineEnd,
      closed$: this.#closed,
      write: (bytes) => {
        this.#transport.write(bytes);
      },
      waiting: () => this.#transport.buffered,
      onChange: () => {
        this.#ending.readersChanged();
        this.#transport.readOn();
      },
      onDelivered: () => {
        this.#ending.delivered();
      },
      onFault: (fault) => {
        this.#fail(fault);
      },
      close: () => {
        this.close();
      },
    });
  }

  #begin(channel: Channel, confirmed: boolean): void {
    const { runtime, timing } = this.#context;
    const { scheduler } = runtime;
    this.#run(this.#consent.given$, this.#sayLocator);
    channel.write(FRAME.hello, encodeHello({ connection: this.id, attempt: this.#attempt }));
    if (confirmed) this.#consent.give();
    // Without a link that carries, the connection lives on for a while.
    const outOfReach$ = this.need$.pipe(
      switchMap((need) => (need === 'any' ? timer(timing.survivalMs, scheduler) : EMPTY)),
    );
    this.#run(outOfReach$, this.#giveUp);
    this.#transport.start();
    if (channel.framed) this.#run(interval(timing.heartbeatMs, scheduler), this.#ping);
    if (!confirmed) this.#run(timer(timing.handshakeMs, scheduler), this.#expectConsent);
  }

  /** What names it on both sides, so that a further link can be told to be for it. */
  get id(): string {
    return this.#consent.id;
  }

  /** Whether it carries lines; not so any more once either side has begun to close it. */
  get isOpen(): boolean {
    return this.#ending.isOpen;
  }

  /** Whether the application has sent anything on it. */
  get hasSent(): boolean {
    return this.#lines.hasSent;
  }

  /** What was sent and has not gone to the system yet, in bytes. */
  get buffered(): number {
    return this.#lines.buffered;
  }

  /** Whether it has a link at the moment. */
  get hasLink(): boolean {
    return this.#transport.channel !== undefined;
  }

  /** Whether the peer has been at an address: whether a direct link has led there. */
  hasBeenAt(address: string): boolean {
    return this.#whereabouts.hasLedTo(address);
  }

  /** Where the peer is. */
  get remote(): Endpoint {
    return this.#transport.lastChannel.link.remote;
  }

  /** Whether the peer is known to hold this connection, too. */
  get confirmed(): boolean {
    return this.#consent.isGiven;
  }

  /** Emits once when the peer is known to hold this connection, too; only completes when it never will. */
  get confirmed$(): Observable<void> {
    return this.#consent.given$;
  }

  /** What it needs of links at the moment, and whenever that changes. Completes when the connection ends. */
  get need$(): Observable<Need> {
    return this.#transport.need$;
  }

  /** Where the peer says that it is; the latest, and each change. Completes when the connection ends. */
  get peerLocator$(): Observable<UnlV3> {
    return this.#whereabouts.peer$;
  }

  /** Completes when the connection holds no socket any more. */
  get released$(): Observable<never> {
    return concat(
      this.#closed.pipe(ignoreElements()),
      defer(() => this.#transport.lastChannel.released$),
    );
  }

  /** Emits once whether the peer is still there: anything it sends within `ms` is a sign of life. */
  isAlive$(ms: number): Observable<boolean> {
    return defer(() => {
      this.#ping();
      return race(
        this.#transport.heard$.pipe(map(() => true)),
        merge(this.#closed, timer(ms, this.#context.runtime.scheduler)).pipe(map(() => false)),
      ).pipe(take(1));
    });
  }

  eachLine$<T>(project: (text: string) => ObservableInput<T>, concurrent?: number): Observable<T> {
    return this.#lines.eachLine$(project, concurrent);
  }

  send(text: string): boolean {
    return this.#lines.send(text);
  }

  sendAll(lines: ObservableInput<string>): Observable<never> {
    return this.#lines.sendAll(lines);
  }

  toDuplex(): Duplex {
    return this.#lines.toDuplex();
  }

  readonly #stream: StreamHandler = {
    hasRoom: () => this.#lines.wantsMore || this.#ending.ignoresData,
    onData: (bytes) => {
      if (this.#ending.hasPeerEnded) throw new ProtocolError('Expected nothing after the end, got more');
      if (!this.#ending.ignoresData) this.#lines.push(bytes);
    },
    onEnd: (payload) => {
      this.#ending.peerEnds(decodeEnd(payload));
    },
    onWritten: () => {
      this.#lines.written();
    },
    onAcknowledged: () => {
      this.#ending.acknowledged();
    },
  };

  /** Takes one more link, which this side has made, where it is of use. */
  offer(channel: Channel, attempt?: string): void {
    if (this.#ending.isClosed || !this.#transport.hasRoom || !this.#transport.wants(channel)) {
      channel.destroy();
      return;
    }
    this.#sayHello(channel, attempt);
    this.#transport.offer(channel);
  }

  /** Takes one more link, which the peer has made and said hello on. */
  take(channel: Channel, hello: Hello): void {
    if (this.#ending.isClosed || !this.#transport.hasRoom) {
      channel.destroy();
      return;
    }
    // Before the hello is heard, so that the peer is told what was lost, too.
    this.#sayHello(channel);
    this.#transport.take(channel, hello);
  }

  /** Keeps a second link from the peer, which is to take the first, until it has. */
  keepSpare(channel: Channel, id: string): void {
    this.#consent.keep({ channel, id });
  }

  /** The peer has taken another link than the one this connection began on: goes on there, with all that was sent. */
  moveTo(channel: Channel, id: string): void {
    this.#consent.id = id;
    channel.write(FRAME.hello, encodeHello({ connection: id, attempt: this.#attempt }));
    this.#transport.restart(channel);
    this.#consent.give();
  }

  /** Gives up links whose ends here are at addresses that this machine has no more. */
  dropLinksFrom(isGone: (address: string) => boolean): void {
    this.#transport.dropLinksFrom(isGone);
  }

  /** Tells the peer where this node is, now and whenever lines travel another way. */
  tellLocator(text: string): void {
    this.#whereabouts.own = text;
    this.#sayLocator();
  }

  readonly #host: TransportHost = {
    onHello: (hello) => {
      if (this.#consent.hear(hello)) this.#ping();
    },
    onRefused: (payload) => {
      this.#ending.refused(decodeEnd(payload));
    },
    onLocator: (payload) => {
      this.#whereabouts.hear(payload);
    },
    onPath: (channel) => {
      this.#path.next(pathOf(channel, undefined));
      this.#whereabouts.note(channel.link);
      this.#sayLocator();
      if (this.confirmed) this.#ping();
    },
    onRoundTrip: (channel, ms) => {
      this.#path.next(pathOf(channel, ms));
    },
    onLost: (error) => {
      this.#lostBy = error;
      const spare = this.#ending.isClosed ? undefined : this.#consent.takeSpare();
      if (spare !== undefined) this.moveTo(spare.channel, spare.id);
      else if (!this.#ending.lost() && !this.#transport.lastChannel.framed) this.#ending.finish(brokenReason(error));
    },
    onFault: (error) => {
      this.#fail(error);
    },
  };

  #sayHello(channel: Channel, attempt?: string): void {
    const { received, lost } = this.#transport;
    const state = this.confirmed ? { received, lost } : {};
    channel.write(FRAME.hello, encodeHello({ connection: this.id, attempt, ...state }));
  }

  readonly #sayLocator = (): void => {
    const { own } = this.#whereabouts;
    if (this.confirmed && own !== undefined) this.#transport.say(FRAME.locator, Buffer.from(own));
  };

  readonly #ping = (): void => {
    this.#transport.ping(Buffer.from(this.#context.runtime.newId()));
  };

  readonly #expectConsent = (): void => {
    if (this.confirmed) return;
    if (this.hasLink) this.#fail(new ProtocolError('The peer proved its key and then said nothing'));
    else this.#ending.finish(NEVER_BEGUN);
  };

  readonly #giveUp = (): void => {
    this.#ending.drop(outOfReachReason(this.hasLink, this.#lostBy, this.#context.timing.survivalMs));
  };

  close(): void {
    this.#ending.close(CLOSED_HERE);
  }

  /** Ends the connection at once: what was sent goes out, the peer is told why, nothing more is read. */
  end(reason: CloseReason): void {
    this.#ending.end(reason);
  }

  /** Drops the connection, with all that is still on its way. */
  destroy(): void {
    this.#ending.drop(DROPPED_HERE);
  }

  #fail(error: unknown): void {
    this.#ending.end(failureReason(error));
  }

  #onClosed(reason: CloseReason): void {
    this.#running.unsubscribe();
    this.#consent.close();
    this.#path.complete();
    this.#whereabouts.complete();
    this.#consent.complete();
    this.#closed.next(reason);
    this.#closed.complete();
    this.#lines.complete();
  }

  /** Does something each time, until the connection has ended. */
  #run(times$: Observable<unknown>, action: () => void): void {
    this.#running.add(times$.subscribe({ next: action, error: noop }));
  }
}
