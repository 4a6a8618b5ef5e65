import type { Duplex } from 'node:stream';
import {
  BehaviorSubject,
  concat,
  defer,
  EMPTY,
  fromEvent,
  ignoreElements,
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
import type { Limits, Timing } from '../config.js';
import type { Endpoint } from '../endpoint.js';
import { ProtocolError } from '../errors.js';
import type { PeerId } from '../identity.js';
import type { Channel } from '../link/channel.js';
import { FRAME } from '../link/frames.js';
import { decodeEnd, encodeEnd, encodeHello, type Hello } from '../link/handshake.js';
import type { Runtime } from '../runtime.js';
import { parseUnl } from '../unl.js';
import type { UnlV3 } from '../unl/types.js';
import { CLOSED_HERE, failureReason, peersReason, type CloseReason } from './close-reason.js';
import type { Connection, Direction } from './connection.js';
import { Inbox } from './inbox.js';
import { Outbox } from './outbox.js';
import { pathOf, type Path } from './path.js';
import type { StreamHandler, TransportHost } from './transport/host.js';
import type { Need } from './transport/link-choice.js';
import { Transport } from './transport/transport.js';

/** What a connection needs around it. */
export interface ConnectionContext {
  readonly runtime: Runtime;
  readonly timing: Timing;
  readonly limits: Limits;
  /** The longest line to be sent, in bytes, where that is another than the longest to be received. */
  readonly sendLineBytes?: number | undefined;
  /** On a plain link, the last line to a peer that broke the rules, since such a link has no other way to tell. */
  readonly farewell?: ((reason: CloseReason) => string) | undefined;
}

/** How a connection begins. */
export interface ConnectionStart {
  readonly id: string;
  readonly direction: Direction;
  /** Whether the peer is known to hold this connection too. Where not, its hello on the channel will tell. */
  readonly confirmed: boolean;
  /** Whether this side chooses among links: exactly one of two that are proven does. Of no meaning for plain links. */
  readonly isControlling: boolean;
  /** The peer's attempt that this connection answers. */
  readonly attempt?: string | undefined;
}

/**
 * A connection: an {@link Inbox} and an {@link Outbox} over a {@link Transport}, which goes over one link after the other.
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
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #transport: Transport;
  readonly #closed = new ReplaySubject<CloseReason>(1);
  readonly #path: BehaviorSubject<Path>;
  readonly #peerLocator = new ReplaySubject<UnlV3>(1);
  readonly #timers = new Subscription();

  readonly #attempt: string | undefined;
  readonly #isFramed: boolean;
  #id: string;
  /** Where direct links have led. */
  readonly #addresses = new Set<string>();
  #locator: string | undefined;
  /** A second link that the peer offered before it knew of the first; kept until it knows. */
  #spare: { readonly channel: Channel; readonly id: string } | undefined;
  readonly #confirmation = new ReplaySubject<void>(1);
  #confirmed = false;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #peerEnd: CloseReason | undefined;
  /** Why it is being closed. */
  #ending: CloseReason | undefined;
  #lostBy: Error | undefined;

  constructor(channel: Channel, start: ConnectionStart, context: ConnectionContext) {
    const { id, direction, confirmed, isControlling, attempt } = start;
    const { runtime, timing, limits } = context;
    this.peerId = channel.link.peerId;
    this.direction = direction;
    this.#id = id;
    this.#attempt = attempt;
    this.#context = context;
    this.#isFramed = channel.framed;
    this.#note(channel);
    this.#path = new BehaviorSubject(pathOf(channel, undefined));
    this.#inbox = new Inbox({
      ...limits,
      onChange: () => {
        this.#onInboxChange();
      },
      onDelivered: () => {
        if (this.#peerEnd !== undefined) this.#close(this.#peerEnd);
      },
      onFault: (fault) => {
        this.#fail(fault);
      },
    });
    this.#transport = new Transport(channel, confirmed, {
      ...limits,
      scheduler: runtime.scheduler,
      silenceMs: timing.silenceMs,
      handshakeMs: timing.handshakeMs,
      isControlling,
      stream: this.#stream,
      host: this.#host,
    });
    this.#outbox = new Outbox({
      ...limits,
      lineBytes: context.sendLineBytes ?? limits.lineBytes,
      write: (bytes) => {
        this.#transport.write(bytes);
      },
      lineEnd: channel.lineEnd,
      waiting: () => this.#transport.buffered,
      onOverflow: (error) => {
        this.#fail(error);
      },
      closed$: this.#closed,
    });
    this.lines$ = this.#inbox.lines$;
    this.drain$ = this.#outbox.drain$;
    this.path$ = this.#path.asObservable();
    this.closed$ = this.#closed.asObservable();

    channel.write(FRAME.hello, encodeHello({ connection: id, attempt }));
    if (confirmed) this.#confirm();
    this.#surviveNeed();
    this.#transport.start();
    if (this.#isFramed) this.#every(timing.heartbeatMs, this.#ping);
    if (!confirmed) this.#every(timing.handshakeMs, this.#expectConfirmed);
  }

  readonly #stream: StreamHandler = {
    hasRoom: () => this.#inbox.wantsMore || (this.#state === 'closing' && !this.#inbox.hasReader),
    onData: (bytes) => {
      this.#onData(bytes);
    },
    onEnd: (payload) => {
      this.#onEnd(payload);
    },
    onWritten: () => {
      this.#outbox.written();
    },
    onAcknowledged: () => {
      if (this.#peerEnd !== undefined && this.#ending !== undefined) this.#finish(this.#ending);
    },
  };

  readonly #host: TransportHost = {
    onHello: (hello) => {
      this.#onHello(hello);
    },
    onRefused: (payload) => {
      this.#onRefused(payload);
    },
    onLocator: (payload) => {
      this.#onLocator(payload);
    },
    onPath: (channel) => {
      this.#onPath(channel);
    },
    onRoundTrip: (channel, ms) => {
      this.#path.next(pathOf(channel, ms));
    },
    onLost: (error) => {
      this.#onLost(error);
    },
    onFault: (error) => {
      this.#fail(error);
    },
  };

  /** What names it on both sides, so that a further link can be told to be for it. */
  get id(): string {
    return this.#id;
  }

  /** Whether it carries lines; not so any more once either side has begun to close it. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Whether the application has sent anything on it. */
  get hasSent(): boolean {
    return this.#outbox.hasSent;
  }

  /** What was sent and has not gone to the system yet, in bytes. */
  get buffered(): number {
    return this.#outbox.buffered;
  }

  /** Whether it has a link at the moment. */
  get hasLink(): boolean {
    return this.#transport.channel !== undefined;
  }

  /** Whether the peer has been at an address: whether a direct link has led there. */
  hasBeenAt(address: string): boolean {
    return this.#addresses.has(address);
  }

  /** Where the peer is. */
  get remote(): Endpoint {
    return this.#transport.lastChannel.link.remote;
  }

  /** Whether the peer is known to hold this connection, too. */
  get confirmed(): boolean {
    return this.#confirmed;
  }

  /** Emits once when the peer is known to hold this connection, too; only completes when it never will. */
  get confirmed$(): Observable<void> {
    return this.#confirmation.asObservable();
  }

  /** What it needs of links at the moment, and whenever that changes. Completes when the connection ends. */
  get need$(): Observable<Need> {
    return this.#transport.need$;
  }

  /** Where the peer says that it is; the latest, and each change. Completes when the connection ends. */
  get peerLocator$(): Observable<UnlV3> {
    return this.#peerLocator.asObservable();
  }

  eachLine$<T>(project: (text: string) => ObservableInput<T>, concurrent = 1): Observable<T> {
    return this.#inbox.eachLine$(project, concurrent);
  }

  send(text: string): boolean {
    return this.#outbox.send(text);
  }

  sendAll(lines: ObservableInput<string>): Observable<never> {
    return this.#outbox.sendAll(lines);
  }

  toDuplex(): Duplex {
    return this.#inbox.toDuplex({
      write: (chunk, done) => {
        this.#outbox.sendBytes(chunk, done);
      },
      close: () => {
        this.close();
      },
    });
  }

  close(): void {
    this.#close(CLOSED_HERE);
  }

  /** Ends the connection at once: what was sent goes out, the peer is told why, nothing more is read. */
  end(reason: CloseReason): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'open') this.#writeEnd(reason);
    this.#finish(reason);
  }

  /** Drops the connection, with all that is still on its way. */
  destroy(): void {
    this.#finish({ code: 'lost', by: 'us', message: 'dropped here' });
    this.#transport.lastChannel.destroy();
  }

  /** Completes when the connection holds no socket any more. */
  get released$(): Observable<never> {
    return concat(
      this.#closed.pipe(ignoreElements()),
      defer(() => {
        const { stream } = this.#transport.lastChannel.link;
        return stream.closed ? EMPTY : fromEvent(stream, 'close').pipe(take(1), ignoreElements());
      }),
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

  /** Takes one more link, which this side has made, where it is of use. */
  offer(channel: Channel, attempt?: string): void {
    if (this.#state === 'closed' || !this.#transport.hasRoom || !this.#transport.wants(channel)) {
      channel.destroy();
      return;
    }
    this.#sayHello(channel, attempt);
    this.#transport.offer(channel);
  }

  /** Takes one more link, which the peer has made and said hello on. */
  take(channel: Channel, hello: Hello): void {
    if (this.#state === 'closed' || !this.#transport.hasRoom) {
      channel.destroy();
      return;
    }
    // Before the hello is heard, so that the peer is told what was lost, too.
    this.#sayHello(channel);
    this.#transport.take(channel, hello);
  }

  /** Keeps a second link from the peer, which is to take the first, until it has. */
  keepSpare(channel: Channel, id: string): void {
    this.#spare?.channel.destroy();
    this.#spare = { channel, id };
  }

  /** The peer has taken another link than the one this connection began on: goes on there, with all that was sent. */
  moveTo(channel: Channel, id: string): void {
    this.#id = id;
    channel.write(FRAME.hello, encodeHello({ connection: id, attempt: this.#attempt }));
    this.#transport.restart(channel);
    this.#confirm();
  }

  /** Gives up links whose ends here are at addresses that this machine has no more. */
  dropLinksFrom(isGone: (address: string) => boolean): void {
    this.#transport.dropLinksFrom(isGone);
  }

  /** Tells the peer where this node is, now and whenever lines travel another way. */
  tellLocator(text: string): void {
    this.#locator = text;
    this.#sayLocator();
  }

  #every(ms: number, action: () => void): void {
    const { scheduler } = this.#context.runtime;
    this.#timers.add(
      scheduler.schedule(function () {
        action();
        this.schedule(undefined, ms);
      }, ms),
    );
  }

  #onInboxChange(): void {
    // The last reader left in the middle of what the peer had sent before its end.
    if (this.#peerEnd !== undefined && !this.#inbox.hasReader) this.#close(this.#peerEnd);
    this.#transport.readOn();
  }

  #sayHello(channel: Channel, attempt?: string): void {
    const { received, lost } = this.#transport;
    const state = this.#confirmed ? { received, lost } : {};
    channel.write(FRAME.hello, encodeHello({ connection: this.#id, attempt, ...state }));
  }

  #sayLocator(): void {
    if (this.#confirmed && this.#isFramed && this.#locator !== undefined)
      this.#transport.say(FRAME.locator, Buffer.from(this.#locator));
  }

  readonly #ping = (): void => {
    this.#transport.ping(Buffer.from(this.#context.runtime.newId()));
  };

  #onHello({ connection }: Hello): void {
    if (connection !== this.#id) throw new ProtocolError('Expected a hello for this connection, got another');
    if (this.#confirmed) return;
    this.#confirm();
    this.#ping();
  }

  #confirm(): void {
    this.#confirmed = true;
    this.#spare?.channel.destroy();
    this.#spare = undefined;
    this.#sayLocator();
    this.#confirmation.next();
    this.#confirmation.complete();
  }

  #onPath(channel: Channel): void {
    this.#path.next(pathOf(channel, undefined));
    this.#note(channel);
    this.#sayLocator();
    if (this.#confirmed) this.#ping();
  }

  #note({ link: { direct, remote } }: Channel): void {
    if (direct && this.#addresses.size < MAX_ADDRESSES) this.#addresses.add(remote.address);
  }

  /** Without a link that carries, the connection lives on for a while. */
  #surviveNeed(): void {
    const { survivalMs } = this.#context.timing;
    const { scheduler } = this.#context.runtime;
    const over$ = this.need$.pipe(switchMap((need) => (need === 'any' ? timer(survivalMs, scheduler) : EMPTY)));
    this.#timers.add(
      over$.subscribe({
        next: () => {
          const why = this.#lostBy === undefined ? '' : ` (${this.#lostBy.message})`;
          if (this.#transport.channel === undefined) {
            this.#finish({
              code: 'lost',
              by: 'peer',
              message: `the link broke${why}, and nothing led to the peer for ${survivalMs} ms`,
            });
          } else {
            this.#finish({
              code: 'silent',
              by: 'peer',
              message: `nothing was heard, and nothing else led to the peer for ${survivalMs} ms`,
            });
            this.#transport.lastChannel.destroy();
          }
        },
        error: noop,
      }),
    );
  }

  #onData(payload: Buffer): void {
    if (this.#peerEnd !== undefined) throw new ProtocolError('Expected nothing after the end, got more');
    if (this.#state === 'closing' && !this.#inbox.hasReader) return;
    this.#inbox.push(payload);
  }

  #onEnd(payload: Buffer): void {
    const reason = peersReason(decodeEnd(payload));
    this.#peerEnd ??= reason;
    this.#inbox.end('ended');
    if (reason.code !== 'closed') this.#finish(this.#ending ?? reason);
    else if (this.#ending !== undefined) {
      if (this.#isAllThere) this.#finish(this.#ending);
    }
    // Whoever still reads may have something to answer; the inbox tells when all has been read.
    else if (!this.#inbox.hasReader) this.#close(reason);
  }

  /** One link more or less is no reason to end; that the peer has lost its side of the connection is. */
  #onRefused(payload: Buffer): void {
    const end = decodeEnd(payload);
    const reason = peersReason(end);
    if (end.code === 'closed') this.#finish(this.#ending ?? reason);
    if (end.code !== 'lost') return;
    const hasAll = this.#state === 'closing' && this.#transport.isAcknowledged;
    this.#finish(hasAll ? (this.#ending ?? CLOSED_HERE) : reason);
  }

  #onLocator(payload: Buffer): void {
    const unl = parseUnl(payload.toString('utf8'));
    if (unl.version !== 3 || unl.peerId !== this.peerId)
      throw new ProtocolError("Expected the peer's own locator, got another");
    this.#peerLocator.next(unl);
  }

  #onLost(error: Error | undefined): void {
    const spare = this.#spare;
    this.#lostBy = error;
    if (spare?.channel.isBroken === false && this.#state !== 'closed') {
      this.#spare = undefined;
      this.moveTo(spare.channel, spare.id);
    } else if (this.#peerEnd !== undefined && this.#isAllThere) this.#finish(this.#peerEnd);
    else if (this.#state === 'closing' && this.#transport.isAcknowledged && !this.#inbox.hasReader) {
      this.#finish(this.#ending ?? CLOSED_HERE);
    } else if (!this.#isFramed) {
      const message = error === undefined ? 'the peer went away without a word' : `the link broke: ${error.message}`;
      this.#finish({ code: 'lost', by: 'peer', message });
    }
  }

  readonly #expectConfirmed = (): void => {
    if (this.#confirmed) return;
    if (this.hasLink) this.#fail(new ProtocolError('The peer proved its key and then said nothing'));
    else this.#finish({ code: 'lost', by: 'peer', message: 'the link broke before the peer had said anything' });
  };

  #fail(error: unknown): void {
    const reason = failureReason(error);
    if (this.#context.farewell !== undefined) this.#outbox.send(this.#context.farewell(reason));
    this.end(reason);
  }

  #close(reason: CloseReason): void {
    if (this.#state !== 'open') return;
    this.#writeEnd(reason);
    this.#state = 'closing';
    this.#ending = reason;
    // What is on its way to a peer that has ended may have to be sent again.
    if (this.#peerEnd !== undefined && this.#isAllThere) {
      this.#finish(reason);
      return;
    }
    this.#transport.readOn();
    let moved = this.#transport.lastChannel.moved;
    this.#every(this.#context.timing.closeMs, () => {
      if (this.#transport.lastChannel.moved === moved) {
        this.#finish({ code: 'timeout', by: 'peer', message: 'the peer did not answer the close' });
        this.#transport.lastChannel.destroy();
      }
      moved = this.#transport.lastChannel.moved;
    });
  }

  /** Whether nothing of what was sent is missing at the peer's, as far as that can be known: on a plain link it cannot. */
  get #isAllThere(): boolean {
    return !this.#isFramed || this.#transport.isAcknowledged;
  }

  #writeEnd({ code, message }: CloseReason): void {
    this.#outbox.close();
    this.#transport.end(encodeEnd({ code, message }));
  }

  #finish(reason: CloseReason): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#timers.unsubscribe();
    this.#spare?.channel.destroy();
    this.#outbox.close();
    const graceMs = reason.code === 'closed' ? this.#context.timing.closeMs : FAULT_GRACE_MS;
    this.#transport.close(graceMs);
    this.#inbox.end('cut');
    this.#path.complete();
    this.#peerLocator.complete();
    this.#confirmation.complete();
    this.#closed.next(reason);
    this.#closed.complete();
    this.#outbox.finish();
  }
}

/** Addresses of a peer that are remembered: nodes move, but not that often. */
const MAX_ADDRESSES = 16;

/** A peer that broke the rules gets this long to take in why. */
const FAULT_GRACE_MS = 1000;
