import type { Observable, SchedulerLike } from 'rxjs';
import type { Limits } from '../config.js';
import type { FramedLink } from '../link/framed-link.js';
import { decodeEnd, type End } from '../link/handshake.js';
import { Latest } from '../operators/latest.js';
import { Association, type AssociationHost } from './association.js';
import { Channels, type ChannelsConfig } from './channels/channels.js';
import { PlainStream } from './channels/plain-stream.js';
import { brokenReason, CLOSED_HERE, failureReason, resetHere, type CloseReason } from './close-reason.js';
import type { Connection } from './connection.js';
import { Ending, type EndingConfig } from './ending.js';
import type { ConnectionContext, ConnectionStart } from './start.js';
import type { StreamHandler } from './transport/host.js';
import type { Need } from './transport/link-choice.js';
import type { Transport } from './transport/transport.js';

/** Learns of what a connection's node has to see to. */
export interface CoreHost {
  /** Another link is needed from now on, or none. */
  onNeed(need: Need): void;
  /** It has ended. Called once. */
  onClosed(reason: CloseReason): void;
}

/**
 * The inside of a connection: {@link Channels} over an {@link Association}, and its {@link Ending}. Each of them asks it for what it needs of
 * the others: with closures for that, an idle connection would take a kilobyte more.
 */
export class ConnectionCore implements AssociationHost, ChannelsConfig, EndingConfig, StreamHandler {
  readonly streams: Channels | PlainStream;
  readonly association: Association;
  readonly ending: Ending;
  readonly closed = new Latest<CloseReason>();
  /** See {@link ChannelsConfig}. */
  readonly lineEnd: string;
  /** See {@link EndingConfig}. */
  readonly isFramed: boolean;
  /** The connection as the application has it. */
  readonly connection: Connection & CoreHost;
  readonly #context: ConnectionContext;
  readonly #start: ConnectionStart;
  #isPumpDue = false;

  constructor(
    connection: Connection & CoreHost,
    framed: FramedLink,
    start: ConnectionStart,
    context: ConnectionContext,
  ) {
    this.connection = connection;
    this.#context = context;
    this.#start = start;
    this.lineEnd = framed.lineEnd;
    this.isFramed = framed.hasControlFrames;
    this.streams = framed.hasControlFrames ? new Channels(this) : this.#plainStream();
    this.association = new Association(framed, start, context, this);
    this.ending = new Ending(this);
  }

  /** See {@link ChannelsConfig}. */
  get limits(): Limits {
    return this.#context.limits;
  }

  /** See {@link ChannelsConfig}. */
  get closed$(): Observable<CloseReason> {
    return this.closed.value$;
  }

  /** See {@link ChannelsConfig}. */
  get isControlling(): boolean {
    return this.#start.isControlling;
  }

  /** See {@link ChannelsConfig}. */
  get scheduler(): SchedulerLike {
    return this.#context.runtime.scheduler;
  }

  /** See {@link EndingConfig}. */
  get closeMs(): number {
    return this.#context.timing.closeMs;
  }

  /** See {@link EndingConfig}. */
  get transport(): Transport {
    return this.association.transport;
  }

  /** See {@link ChannelsConfig}. Sends at the end of the current run of JavaScript, so that everything written in it travels together. */
  onDue(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.transport.pump();
    });
  }

  /** See {@link ChannelsConfig}. */
  onChange(): void {
    this.ending.delivered();
    this.transport.readOn();
  }

  /** See {@link ChannelsConfig}. */
  onDelivered(): void {
    this.ending.delivered();
  }

  /** See {@link ChannelsConfig} and {@link AssociationHost}. */
  onFault(error: unknown): void {
    this.ending.end(failureReason(error));
  }

  /** See {@link ChannelsConfig}. */
  close(): void {
    this.ending.close(CLOSED_HERE);
  }

  /** See {@link ChannelsConfig}. */
  abort(): void {
    this.ending.end(resetHere(0, 'the stream was destroyed'));
  }

  /** See {@link StreamHandler}. */
  hasRoom(): boolean {
    return this.streams.hasRoom();
  }

  /** See {@link StreamHandler}. */
  next(): Buffer | undefined {
    return this.streams.next();
  }

  /** See {@link StreamHandler}. */
  release(bytes: Buffer): void {
    this.streams.release(bytes);
  }

  /** See {@link StreamHandler}. */
  waiting(): number {
    return this.streams.waiting;
  }

  /** See {@link StreamHandler}. */
  onData(bytes: Buffer): void {
    this.streams.onData(bytes);
  }

  /** See {@link StreamHandler}. */
  onEnd(payload: Buffer): void {
    this.ending.peerEnds(decodeEnd(payload));
  }

  /** See {@link StreamHandler}. */
  onWritten(): void {
    this.streams.onWritten();
  }

  /** See {@link StreamHandler}. */
  onAcknowledged(): void {
    this.ending.acknowledged();
  }

  /** See {@link AssociationHost}. */
  onNeed(need: Need): void {
    this.connection.onNeed(need);
  }

  /** See {@link AssociationHost}. */
  onRefused(end: End): void {
    this.ending.refused(end);
  }

  /** See {@link AssociationHost}. */
  onLost(error: Error | undefined): void {
    if (!this.ending.lost() && !this.transport.lastLink.hasControlFrames) this.ending.finish(brokenReason(error));
  }

  /** See {@link AssociationHost}. */
  onGone(reason: CloseReason): void {
    this.ending.drop(reason);
  }

  /** See {@link EndingConfig}. */
  onClosed(reason: CloseReason): void {
    this.association.close();
    this.connection.onClosed(reason);
    this.closed.next(reason);
    this.closed.complete();
    this.streams.complete(reason);
  }

  #plainStream(): PlainStream {
    const { limits, lineEnd, closed$ } = this;
    return new PlainStream({
      limits,
      lineEnd,
      closed$,
      ignoresData: () => this.ending.ignoresData,
      waiting: () => this.transport.buffered,
      onDue: () => {
        this.onDue();
      },
      onChange: () => {
        this.onChange();
      },
      onDelivered: () => {
        this.onDelivered();
      },
      onFault: (error) => {
        this.onFault(error);
      },
      close: () => {
        this.close();
      },
      abort: () => {
        this.abort();
      },
    });
  }
}
