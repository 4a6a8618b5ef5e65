import type { Duplex } from 'node:stream';
import {
  concat,
  defer,
  ignoreElements,
  map,
  merge,
  race,
  take,
  timer,
  type Observable,
  type ObservableInput,
} from 'rxjs';
import type { Endpoint } from '../endpoint.js';
import { UnavailableError } from '../errors.js';
import type { PeerId } from '../identity.js';
import type { FramedLink } from '../link/framed-link.js';
import type { Hello } from '../link/handshake.js';
import type { CallOpening } from '../remote/channel.js';
import type { Exposures } from '../remote/expose.js';
import type { Remote, RemoteOptions } from '../remote/interface.js';
import { remoteObject } from '../remote/remote.js';
import type { UnlV3 } from '../unl/types.js';
import type { AcceptOptions, Channel, ChannelOptions, Connection, Direction } from './connection.js';
import type { Acceptors } from './channels/acceptors.js';
import { Channels } from './channels/channels.js';
import type { PlainStream } from './channels/plain-stream.js';
import type { Association } from './association.js';
import { DROPPED_HERE, resetHere, type CloseReason } from './close-reason.js';
import { ConnectionCore, type CoreHost } from './core.js';
import type { Ending } from './ending.js';
import type { Path } from './path.js';
import type { ConnectionContext, ConnectionStart } from './start.js';
import type { Need } from './transport/link-choice.js';

/** Has connections, and learns of what becomes of them. */
export interface ConnectionOwner {
  /** It needs a link. Called when it did not need one before. */
  onNeedy(connection: PeerConnection): void;
  /** It has ended. Called once, before all who have subscribed to `closed$`. */
  onClosed(connection: PeerConnection, reason: CloseReason): void;
}

/**
 * A connection as an application has it, and as a node uses it.
 *
 * The side that dialled sends at once, a round trip before it knows whether the peer uses this link for the connection: both may have
 * dialled. If the peer uses the other link, everything is sent again there.
 */
export class PeerConnection implements Connection, CoreHost {
  readonly peerId: PeerId;
  readonly direction: Direction;
  readonly name = '';
  readonly connection: Connection = this;

  readonly #context: ConnectionContext;
  readonly #core: ConnectionCore;
  #owner: ConnectionOwner | undefined;
  #isNeedy = false;

  constructor(framed: FramedLink, start: ConnectionStart, context: ConnectionContext) {
    this.peerId = framed.link.peerId;
    this.direction = start.direction;
    this.#context = context;
    this.#core = new ConnectionCore(this, framed, start, context);
    this.#association.begin();
  }

  get lines$(): Observable<string> {
    return this.#streams.own.lines$;
  }

  get messages$(): Observable<Buffer> {
    return this.#streams.own.messages$;
  }

  get drain$(): Observable<void> {
    return this.#streams.own.drain$;
  }

  get channelRoom$(): Observable<void> {
    return defer(() => this.#channels().room$);
  }

  get path$(): Observable<Path> {
    return this.#association.path$;
  }

  get closed$(): Observable<CloseReason> {
    return this.#core.closed$;
  }

  get #streams(): Channels | PlainStream {
    return this.#core.streams;
  }

  get #association(): Association {
    return this.#core.association;
  }

  get #ending(): Ending {
    return this.#core.ending;
  }

  /** Tells its owner what becomes of it, beginning with what has become of it already. */
  belongTo(owner: ConnectionOwner): void {
    this.#owner = owner;
    const reason = this.#core.closed.value;
    if (reason !== undefined) owner.onClosed(this, reason);
    else if (this.#isNeedy) owner.onNeedy(this);
  }

  /** See {@link CoreHost}. */
  onNeed(need: Need): void {
    const wasNeedy = this.#isNeedy;
    this.#isNeedy = need !== 'none';
    if (this.#isNeedy && !wasNeedy) this.#owner?.onNeedy(this);
  }

  /** See {@link CoreHost}. */
  onClosed(reason: CloseReason): void {
    this.#owner?.onClosed(this, reason);
  }

  /** Names the connection on both sides, so that the hello on another link can refer to it. */
  get id(): string {
    return this.#association.consent.id;
  }

  /** Whether neither side has begun to close it. */
  get isOpen(): boolean {
    return this.#ending.isOpen;
  }

  /** Whether the application has sent anything on it, or opened a channel. */
  get hasSent(): boolean {
    return this.#streams.hasSent;
  }

  /** Whether it has a link at the moment. */
  get hasLink(): boolean {
    return this.#association.transport.currentLink !== undefined;
  }

  /** Whether a direct link has led to the peer at this address. */
  hasBeenAt(address: string): boolean {
    return this.#association.whereabouts.hasLedTo(address);
  }

  /** The other end of the latest link. */
  get peerEndpoint(): Endpoint {
    return this.#lastLink.link.remote;
  }

  /** Whether the peer has agreed to this connection. */
  get confirmed(): boolean {
    return this.#association.consent.isGiven;
  }

  /** Emits once when the peer agrees to this connection; completes without emitting when it never will. */
  get confirmed$(): Observable<void> {
    return this.#association.consent.given$;
  }

  /** Whether it needs a link at the moment. */
  get isNeedy(): boolean {
    return this.#isNeedy;
  }

  /** Which link the connection needs at the moment, and whenever that changes. Completes when the connection ends. */
  get need$(): Observable<Need> {
    return this.#association.transport.need$;
  }

  /** The locators that the peer tells, beginning with the latest. Completes when the connection ends. */
  get peerLocator$(): Observable<UnlV3> {
    return this.#association.whereabouts.peer$;
  }

  /** Completes when the connection holds no socket any more. */
  get released$(): Observable<never> {
    return concat(
      this.closed$.pipe(ignoreElements()),
      defer(() => this.#lastLink.released$),
    );
  }

  /** Emits once whether the peer sends anything within `ms`. */
  isAlive$(ms: number): Observable<boolean> {
    return defer(() => {
      this.#association.ping();
      return race(
        this.#association.transport.heard$.pipe(map(() => true)),
        merge(this.closed$, timer(ms, this.#context.runtime.scheduler)).pipe(map(() => false)),
      ).pipe(take(1));
    });
  }

  eachLine$<T>(project: (text: string) => ObservableInput<T>, concurrent?: number): Observable<T> {
    return this.#streams.own.eachLine$(project, concurrent);
  }

  eachMessage$<T>(project: (message: Buffer) => ObservableInput<T>, concurrent?: number): Observable<T> {
    return this.#streams.own.eachMessage$(project, concurrent);
  }

  send(text: string): boolean {
    return this.#streams.own.send(text);
  }

  sendMessage(message: Uint8Array): boolean {
    return this.#streams.own.sendMessage(message);
  }

  sendAll(lines: ObservableInput<string>): Observable<never> {
    return this.#streams.own.sendAll(lines);
  }

  toDuplex(): Duplex {
    return this.#streams.own.toDuplex();
  }

  openChannel(name: string, options?: ChannelOptions): Channel {
    return this.#channels().open(name, options);
  }

  /** Opens a channel by a name that is the library's own. See {@link openChannel}. */
  openReserved(name: string): Channel {
    return this.#channels().openReserved(name);
  }

  /** Whether no channel is open but its own, and nothing was sent or has come on that. */
  get isUnused(): boolean {
    return this.#streams instanceof Channels && this.#streams.isUnused;
  }

  channels$(name: string, options?: AcceptOptions): Observable<Channel> {
    return defer(() => this.#channels().channels$(name, options));
  }

  remote<T>(name: string, options: RemoteOptions = {}): Remote<T> {
    const channels = this.#channels();
    const { messageBytes } = this.#context.limits;
    const open = (channel: string, call: CallOpening) => channels.openForCall(channel, call);
    return remoteObject<T>(name, options, { open, messageBytes });
  }

  /** Offers the peer's channels and calls also to the subscribers and exposed objects of the whole net. */
  acceptWith(acceptors: Acceptors, exposures: Exposures<Connection>): void {
    if (this.#streams instanceof Channels) this.#streams.acceptWith(acceptors, exposures);
  }

  #channels(): Channels {
    if (this.#streams instanceof Channels) return this.#streams;
    throw new UnavailableError(
      'Expected a secured connection, but a plain one is one stream of lines, without channels',
    );
  }

  /** Adds a link that this side has made, if the connection needs it; else closes it. */
  offer(framed: FramedLink, attempt?: string): void {
    this.#association.offer(framed, attempt);
  }

  /** Adds a link that the peer has made and said hello on. */
  take(framed: FramedLink, hello: Hello): void {
    this.#association.take(framed, hello);
  }

  /** Keeps the peer's link in reserve until the peer agrees to use this side's. */
  keepSpare(framed: FramedLink, id: string): void {
    this.#association.consent.keep({ framed, id });
  }

  /** The peer uses another link than the one this connection began on: sends everything again there. */
  moveTo(framed: FramedLink, id: string): void {
    this.#association.moveTo(framed, id);
  }

  /** Asks the peer for a sign of life; without one the link is soon doubted. */
  ping(): void {
    this.#association.ping();
  }

  /** Drops links whose local address this machine has lost. */
  dropLinksFrom(isGone: (address: string) => boolean): void {
    this.#association.transport.dropLinksFrom(isGone);
  }

  /** Tells the peer this node's locator, now and whenever the connection moves to another link. */
  tellLocator(text: string): void {
    this.#association.tellLocator(text);
  }

  close(): void {
    this.#core.close();
  }

  reset(resetCode?: number, message?: string): void {
    this.abort(resetHere(resetCode, message));
  }

  /** Ends the connection at once and tells the peer why: what was sent before goes out, nothing more is read. */
  abort(reason: CloseReason): void {
    this.#ending.end(reason);
  }

  /** Drops the connection and everything not yet sent. */
  destroy(): void {
    this.#ending.drop(DROPPED_HERE);
  }

  get #lastLink(): FramedLink {
    return this.#association.transport.lastLink;
  }
}
