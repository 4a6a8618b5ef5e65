import type { Duplex } from 'node:stream';
import {
  BehaviorSubject,
  concat,
  defer,
  distinctUntilChanged,
  EMPTY,
  fromEvent,
  ignoreElements,
  map,
  merge,
  noop,
  race,
  ReplaySubject,
  Subject,
  Subscription,
  switchMap,
  take,
  timer,
  type Observable,
  type ObservableInput,
} from 'rxjs';
import type { Limits, Timing } from '../config.js';
import { Inbox } from './inbox.js';
import { Outbox } from './outbox.js';
import { Transport, type Need } from './transport.js';
import type { Endpoint } from '../endpoint.js';
import { ProtocolError, reasonOf, Rxp2pError, type ErrorCode } from '../errors.js';
import type { PeerId } from '../identity.js';
import type { Channel } from '../link/channel.js';
import { FRAME } from '../link/frames.js';
import { decodeEnd, encodeEnd, encodeHello, type End, type Hello } from '../link/handshake.js';
import type { Runtime } from '../runtime.js';
import { parseUnl } from '../unl.js';
import type { UnlV3 } from '../unl/types.js';

/** Why a connection ended. */
export interface CloseReason {
  /**
   * `closed`: in order, nothing was lost. `refused`: the peer does not want us, or we not it. `replaced`: the peer came
   * back anew, so that this connection was dead. `line-too-long`, `protocol`: one side broke the rules.
   * `send-buffer-full`: the peer did not read and the application went on writing. `silent`: nothing was heard for too
   * long. `lost`: the link broke. After both nothing has led to the peer for `timing.survivalMs`, or it has lost its side.
   * `timeout`: the peer did not answer the close.
   */
  readonly code: CloseCode;
  /** Who ended it. */
  readonly by: 'us' | 'peer';
  /** The reason in words. */
  readonly message: string;
  /** What went wrong on this side, where something did. */
  readonly error?: Rxp2pError | undefined;
}

const CLOSE_CODES = [
  'closed',
  'refused',
  'replaced',
  'line-too-long',
  'protocol',
  'send-buffer-full',
  'silent',
  'lost',
  'timeout',
] as const;

/**
 * Why a connection ended, as a program sees it: what each means is said at {@link CloseReason}.
 *
 * @useDeclaredType
 */
export type CloseCode = (typeof CLOSE_CODES)[number];

/** The way the lines travel. */
export interface Path {
  /** The name of the technique that made the link. */
  readonly technique: string;
  /** Straight to the peer, not through a relay. */
  readonly direct: boolean;
  /** This node's end of it. */
  readonly local: Endpoint;
  /** The other end: the peer's, or the relay's. */
  readonly remote: Endpoint;
  /** The last round trip measured, in milliseconds; none yet, or none possible on a plain link. */
  readonly roundTripMs: number | undefined;
}

/**
 * Lines of text to and from one peer. It is made by `net.connect$` or arrives in `net.connections$`.
 *
 * @example
 * net.connect$(unl).subscribe((connection) => {
 *   connection.lines$.subscribe(console.log);
 *   connection.send('Sup Bob.');
 * });
 */
export interface Connection {
  /** The key that the peer proved. On a plain link nothing is proven, and this is `plain:` with the peer's endpoint. */
  readonly peerId: PeerId;
  /** `outbound` when this node dialled. */
  readonly direction: 'inbound' | 'outbound';

  /**
   * The lines from the peer, to every subscriber alike. None is lost before the first subscriber: they wait, and with
   * more than a little waiting the peer's socket is paused. Completes when no more will come; `closed$` tells why.
   */
  readonly lines$: Observable<string>;

  /**
   * Does something for each line, one at a time, and pauses the peer while it is being done, so that a slow reader needs
   * no memory. Emits what the inner Observables emit. Errors when one of them does.
   *
   * @param project as for RxJS's `concatMap`.
   * @param concurrent how many may be under way at once.
   *
   * @example
   * connection.eachLine$((text) => appendFile('log', text + '\n')).subscribe();
   */
  eachLine$<T>(project: (text: string) => ObservableInput<T>, concurrent?: number): Observable<T>;

  /**
   * Sends one line. Lines sent in one go travel together.
   *
   * @returns whether to go on. After `false`, wait for `drain$`: the line is on its way all the same. Once the
   * connection has ended it is always `false` and the line is not sent; `closed$` tells why.
   * @throws InvalidTextError when the text is not one line, or is too long.
   */
  send(text: string): boolean;

  /**
   * Sends lines, as fast as the peer reads them. Cold: nothing is sent before it is subscribed to. Completes when the
   * last line has been handed to the system. Iterables and async iterables are pulled from; an Observable cannot be told
   * to wait, so its lines queue up, within `limits.sendMaxBytes`.
   *
   * @throws ClosedError when the connection ends first; SendBufferFullError; InvalidTextError; the source's own error.
   *
   * @example
   * net.connect$(unl).pipe(mergeMap((connection) => connection.sendAll(interval(1000).pipe(map(String))))).subscribe();
   */
  sendAll(lines: ObservableInput<string>): Observable<never>;

  /** Emits when there is room again, after a `send` that returned false. Completes when the connection ends. */
  readonly drain$: Observable<void>;

  /** The way the lines travel now; replays the latest. Completes when the connection ends. */
  readonly path$: Observable<Path>;

  /**
   * The same connection as a Node stream of bytes, instead of lines: call it before `lines$` is subscribed to, at once
   * when the connection is handed over. Ending it ends the connection.
   *
   * @throws ClosedError when lines have been read already.
   */
  toDuplex(): Duplex;

  /** Why the connection ended: once, replayed, then completes. */
  readonly closed$: Observable<CloseReason>;

  /**
   * Ends the connection in order: all that was sent before arrives, and what the peer has sent so far still comes.
   */
  close(): void;
}

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
  readonly direction: 'inbound' | 'outbound';
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
  readonly direction: 'inbound' | 'outbound';
  readonly lines$: Observable<string>;
  readonly drain$: Observable<void>;
  readonly path$: Observable<Path>;
  readonly closed$: Observable<CloseReason>;

  readonly #context: ConnectionContext;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #transport: Transport;
  readonly #closed = new ReplaySubject<CloseReason>(1);
  readonly #heard = new Subject<void>();
  readonly #path: BehaviorSubject<Path>;
  readonly #need = new BehaviorSubject<Need>('none');
  readonly #peerLocator = new ReplaySubject<UnlV3>(1);
  readonly #timers = new Subscription();

  readonly #attempt: string | undefined;
  readonly #isFramed: boolean;
  #id: string;
  #lastChannel: Channel;
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
    this.#lastChannel = channel;
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
      hasRoom: () => this.#inbox.wantsMore || (this.#state === 'closing' && !this.#inbox.hasReader),
      onData: (bytes) => {
        this.#onData(bytes);
      },
      onEnd: (payload) => {
        this.#onEnd(payload);
      },
      onRefused: (payload) => {
        this.#onRefused(payload);
      },
      onLocator: (payload) => {
        this.#onLocator(payload);
      },
      onHeard: () => {
        this.#heard.next();
      },
      onWritten: () => {
        this.#outbox.written();
      },
      onAcknowledged: () => {
        if (this.#peerEnd !== undefined && this.#ending !== undefined) this.#finish(this.#ending);
      },
      onHello: (hello) => {
        this.#onHello(hello);
      },
      onPath: (next, roundTripMs) => {
        this.#onPath(next, roundTripMs);
      },
      onNeed: () => {
        this.#onNeed();
      },
      onLost: (error) => {
        this.#onLost(error);
      },
      onFault: (error) => {
        this.#fail(error);
      },
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
    return this.#lastChannel.link.remote;
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
    return this.#need.pipe(distinctUntilChanged());
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
    this.#lastChannel.destroy();
  }

  /** Completes when the connection holds no socket any more. */
  get released$(): Observable<never> {
    return concat(
      this.#closed.pipe(ignoreElements()),
      defer(() => {
        const { stream } = this.#lastChannel.link;
        return stream.closed ? EMPTY : fromEvent(stream, 'close').pipe(take(1), ignoreElements());
      }),
    );
  }

  /** Emits once whether the peer is still there: anything it sends within `ms` is a sign of life. */
  isAlive$(ms: number): Observable<boolean> {
    return defer(() => {
      this.#ping();
      return race(
        this.#heard.pipe(map(() => true)),
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

  #onPath(channel: Channel, roundTripMs: number | undefined): void {
    this.#lastChannel = channel;
    this.#path.next(pathOf(channel, roundTripMs));
    if (roundTripMs !== undefined) return;
    this.#note(channel);
    this.#sayLocator();
    if (this.#confirmed) this.#ping();
  }

  #note({ link: { direct, remote } }: Channel): void {
    if (direct && this.#addresses.size < MAX_ADDRESSES) this.#addresses.add(remote.address);
  }

  #onNeed(): void {
    if (this.#isFramed) this.#need.next(this.#transport.need);
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
            this.#lastChannel.destroy();
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
    const failure =
      error instanceof Rxp2pError
        ? error
        : new ProtocolError(`The connection failed: ${reasonOf(error)}`, { cause: error });
    const code = FAILURE_CODES.get(failure.code) ?? 'protocol';
    const reason: CloseReason = { code, by: 'us', message: failure.message, error: failure };
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
    let moved = this.#lastChannel.moved;
    this.#every(this.#context.timing.closeMs, () => {
      if (this.#lastChannel.moved === moved) {
        this.#finish({ code: 'timeout', by: 'peer', message: 'the peer did not answer the close' });
        this.#lastChannel.destroy();
      }
      moved = this.#lastChannel.moved;
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
    this.#transport.close()?.retire(graceMs, this.#context.runtime.scheduler);
    this.#inbox.end('cut');
    this.#path.complete();
    this.#need.complete();
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

const CLOSED_HERE: CloseReason = { code: 'closed', by: 'us', message: 'closed here' };

/** Why the peer has ended the connection. Its words are from where it stands: its "here" is not ours. */
function peersReason({ code, message }: End): CloseReason {
  const known = CLOSE_CODES.find((one) => one === code) ?? 'closed';
  if (known === 'closed') return { code: known, by: 'peer', message: 'closed by the peer' };
  return { code: known, by: 'peer', message: `the peer ended the connection: ${message}` };
}

/** The close code for what went wrong. */
const FAILURE_CODES: ReadonlyMap<ErrorCode, CloseCode> = new Map([
  ['LINE_TOO_LONG', 'line-too-long'],
  ['SEND_BUFFER_FULL', 'send-buffer-full'],
  ['CLOSED', 'lost'],
]);

function pathOf({ link }: Channel, roundTripMs: number | undefined): Path {
  const { technique, direct, local, remote } = link;
  return { technique, direct, local, remote, roundTripMs };
}
