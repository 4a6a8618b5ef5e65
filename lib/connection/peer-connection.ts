import type { Duplex } from 'node:stream';
import {
  concat,
  defer,
  ignoreElements,
  map,
  merge,
  race,
  ReplaySubject,
  take,
  timer,
  type Observable,
  type ObservableInput,
} from 'rxjs';
import type { Endpoint } from '../endpoint.js';
import { ProtocolError } from '../errors.js';
import type { PeerId } from '../identity.js';
import type { FramedLink } from '../link/framed-link.js';
import { decodeEnd, type Hello } from '../link/handshake.js';
import type { UnlV3 } from '../unl/types.js';
import { Association, type AssociationHost } from './association.js';
import { brokenReason, CLOSED_HERE, DROPPED_HERE, failureReason, type CloseReason } from './close-reason.js';
import type { Connection, Direction } from './connection.js';
import { Ending } from './ending.js';
import { LineStream } from './line-stream.js';
import type { Path } from './path.js';
import type { ConnectionContext, ConnectionStart } from './start.js';
import type { StreamHandler } from './transport/host.js';
import type { Need } from './transport/link-choice.js';

/**
 * A connection: a {@link LineStream} over an {@link Association}, whose bytes go over one link after the other; and its
 * {@link Ending}.
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
  readonly #closed = new ReplaySubject<CloseReason>(1);
  readonly #lines: LineStream;
  readonly #association: Association;
  readonly #ending: Ending;

  constructor(framed: FramedLink, start: ConnectionStart, context: ConnectionContext) {
    const { runtime, timing, limits } = context;
    this.peerId = framed.link.peerId;
    this.direction = start.direction;
    this.#context = context;
    this.#lines = this.#linesOver(framed);
    this.#association = new Association(framed, start, {
      runtime,
      timing,
      limits,
      stream: this.#stream,
      host: this.#host,
    });
    this.#ending = new Ending({
      closeMs: timing.closeMs,
      scheduler: runtime.scheduler,
      isFramed: framed.hasControlFrames,
      lines: this.#lines,
      transport: this.#association.transport,
      onClosed: (reason) => {
        this.#onClosed(reason);
      },
    });
    this.lines$ = this.#lines.lines$;
    this.drain$ = this.#lines.drain$;
    this.path$ = this.#association.path$;
    this.closed$ = this.#closed.asObservable();
    this.#association.begin();
  }

  #linesOver({ lineEnd }: FramedLink): LineStream {
    return new LineStream({
      limits: this.#context.limits,
      lineEnd,
      closed$: this.#closed,
      write: (bytes) => {
        this.#association.transport.write(bytes);
      },
      waiting: () => this.#association.transport.buffered,
      onChange: () => {
        this.#ending.readersChanged();
        this.#association.transport.readOn();
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

  /** What names it on both sides, so that a further link can be told to be for it. */
  get id(): string {
    return this.#association.consent.id;
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
    return this.#association.transport.currentLink !== undefined;
  }

  /** Whether the peer has been at an address: whether a direct link has led there. */
  hasBeenAt(address: string): boolean {
    return this.#association.whereabouts.hasLedTo(address);
  }

  /** Where the peer is. */
  get remote(): Endpoint {
    return this.#lastLink.link.remote;
  }

  /** Whether the peer is known to hold this connection, too. */
  get confirmed(): boolean {
    return this.#association.consent.isGiven;
  }

  /** Emits once when the peer is known to hold this connection, too; only completes when it never will. */
  get confirmed$(): Observable<void> {
    return this.#association.consent.given$;
  }

  /** What it needs of links at the moment, and whenever that changes. Completes when the connection ends. */
  get need$(): Observable<Need> {
    return this.#association.transport.need$;
  }

  /** Where the peer says that it is; the latest, and each change. Completes when the connection ends. */
  get peerLocator$(): Observable<UnlV3> {
    return this.#association.whereabouts.peer$;
  }

  /** Completes when the connection holds no socket any more. */
  get released$(): Observable<never> {
    return concat(
      this.#closed.pipe(ignoreElements()),
      defer(() => this.#lastLink.released$),
    );
  }

  /** Emits once whether the peer is still there: anything it sends within `ms` is a sign of life. */
  isAlive$(ms: number): Observable<boolean> {
    return defer(() => {
      this.#association.ping();
      return race(
        this.#association.transport.heard$.pipe(map(() => true)),
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

  readonly #host: AssociationHost = {
    onRefused: (end) => {
      this.#ending.refused(end);
    },
    onLost: (error) => {
      if (!this.#ending.lost() && !this.#lastLink.hasControlFrames) this.#ending.finish(brokenReason(error));
    },
    onGone: (reason) => {
      this.#ending.drop(reason);
    },
    onFault: (error) => {
      this.#fail(error);
    },
  };

  /** Takes one more link, which this side has made, where it is of use. */
  offer(framed: FramedLink, attempt?: string): void {
    this.#association.offer(framed, attempt);
  }

  /** Takes one more link, which the peer has made and said hello on. */
  take(framed: FramedLink, hello: Hello): void {
    this.#association.take(framed, hello);
  }

  /** Keeps a second link from the peer, which is to take the first, until it has. */
  keepSpare(framed: FramedLink, id: string): void {
    this.#association.consent.keep({ framed, id });
  }

  /** The peer has taken another link than the one this connection began on: goes on there, with all that was sent. */
  moveTo(framed: FramedLink, id: string): void {
    this.#association.moveTo(framed, id);
  }

  /** Gives up links whose ends here are at addresses that this machine has no more. */
  dropLinksFrom(isGone: (address: string) => boolean): void {
    this.#association.transport.dropLinksFrom(isGone);
  }

  /** Tells the peer where this node is, now and whenever lines travel another way. */
  tellLocator(text: string): void {
    this.#association.tellLocator(text);
  }

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

  get #lastLink(): FramedLink {
    return this.#association.transport.lastLink;
  }

  #fail(error: unknown): void {
    this.#ending.end(failureReason(error));
  }

  #onClosed(reason: CloseReason): void {
    this.#association.close();
    this.#closed.next(reason);
    this.#closed.complete();
    this.#lines.complete();
  }
}
