import type { Observable, Subscription } from 'rxjs';
import type { AcceptOptions, Channel, Connection } from '../connection/connection.js';
import type { ExposeOptions } from '../remote/interface.js';
import type { Endpoint, Observed } from '../endpoint.js';
import type { RendezvousAddress } from '../rendezvous-name.js';
import type { PeerId } from '../identity.js';
import type { Neighbour } from '../lan/lan.js';
import type { Reach } from '../reachability.js';
import type { JoinOptions, Room } from '../rooms/interface.js';
import type { ServerReport } from '../server-report.js';
import type { Technique, TechniqueName } from '../techniques/technique.js';
import type { TraceEvent } from '../trace.js';
import type { NatType, NodeType } from '../unl/types.js';
import type { PairedPeer } from '../pairing/messages.js';
import type { NetCheck } from './check/interface.js';
import type { ClockStatus } from './clock-watch.js';
import type { InviteOptions, InviteStep, PairOptions } from './pairing/interface.js';

/** A line from a peer. */
export interface Line {
  /** The connection it came by, to answer on. */
  readonly connection: Connection;
  /** The line, without its end. */
  readonly text: string;
}

/** Connections of one direction. */
export interface SlotCount {
  /** How many there are. */
  readonly used: number;
  /** How many there may be. */
  readonly most: number;
}

/** What can be said of a net at a moment. */
export interface NetStatus {
  /** `idle` until it listens; `closed` for good, from the moment that it is being closed. */
  readonly state: 'idle' | 'running' | 'closed';
  /** Who this node is. */
  readonly peerId: PeerId;
  /** Unknown until the servers have been asked. */
  readonly nodeType: NodeType | 'unknown';
  /** How this node's NAT maps ports; unknown until the servers have been asked. */
  readonly natType: NatType;
  /** Where it listens; `undefined` before it does. */
  readonly local: Endpoint | undefined;
  /** How many connections there are, and may be. */
  readonly slots: {
    /** Those that others have made. */
    readonly inbound: SlotCount;
    /** Those that this node has made. */
    readonly outbound: SlotCount;
  };
  /** Each rendezvous server, and how the session with it stands. */
  readonly servers: readonly {
    /** The server, as it was named. */
    readonly server: RendezvousAddress;
    /** Whether there is a session with it now. */
    readonly connected: boolean;
    /** Where the server sees this node. */
    readonly observed: Observed | undefined;
    /** Why there is no session, in words. */
    readonly failure: string | undefined;
  }[];
  /** Every server that has been asked by now, of any kind, with what is wrong with it: `undefined` where it answers. */
  readonly services: readonly ServerReport[];
  /** That this machine's clock and those of servers are more than two minutes apart; `undefined` where no server says so. */
  readonly clock: ClockStatus | undefined;
  /** Whether others can dial this node, by each family of addresses; empty where that was not looked into. */
  readonly reach: readonly Reach[];
}

/** How to connect. */
export interface ConnectOptions {
  /**
   * Only these techniques, in the order given: by their names, or the application's own. What the connection needs later, after its
   * link has broken, is looked for by the same. Default: all, best first.
   */
  readonly techniques?: readonly (TechniqueName | Technique)[] | undefined;
  /**
   * Whether a relay is tried at once, side by side with the rest: its link carries lines until there is a direct one. Default: when
   * the peer cannot be dialled, and nobody has dialled this node yet; else a relay comes last.
   */
  readonly relayFirst?: boolean | undefined;
  /** How long each technique may take, in milliseconds. Default: `timing.techniqueMs`. */
  readonly timeoutMs?: number | undefined;
  /** Gives the attempt up when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** A node: it can be reached by its locator, connects to others by theirs, and exchanges lines with them. */
export interface Net {
  /** Who this node is. */
  readonly peerId: PeerId;

  /**
   * This node's locator, for others to connect to; replays the latest, and emits again when the network changes. The first
   * waits for the rendezvous servers to say where they see this node, and until it is known whether others can dial it or
   * a port was opened on the router, but not for long. Subscribing starts the net. Completes when the net is closed.
   *
   * @throws ListenError (`LISTEN_FAILED`) when the port cannot be listened on.
   *
   * @example
   * net.unl$.subscribe({ next: (unl) => console.log(`reach me at ${unl}`), error: ({ message }) => console.error(message) });
   */
  readonly unl$: Observable<string>;

  /**
   * Each connection, inbound or outbound: those that are open, then each new one as soon as both sides hold it. One that
   * the peer refuses never comes here. Completes when the net is closed.
   *
   * @example
   * net.connections$.subscribe((connection) => connection.send('Welcome.'));
   */
  readonly connections$: Observable<Connection>;

  /**
   * Every line from every connection. In `p2p` mode a line that has been here before is dropped, so that relaying with
   * `broadcast` ends. A connection whose `toDuplex` was called, or whose `messages$` are read, brings no lines. Completes when the net is closed.
   *
   * @example
   * net.lines$.subscribe(({ connection, text }) => net.broadcast(text, connection)); // relays
   */
  readonly lines$: Observable<Line>;

  /**
   * The channels that peers open by a name, on any connection, while subscribed. A channel that nobody takes is refused. Completes when
   * the net is closed.
   *
   * @param name the name, as peers open it by `connection.openChannel`: at most 256 bytes of UTF-8.
   * @throws InvalidOptionError (`INVALID_OPTION`) for another name.
   *
   * @example
   * net.channels$('echo').subscribe((channel) => channel.eachLine$((text) => channel.sendAll([text])).subscribe());
   */
  channels$(name: string, options?: AcceptOptions): Observable<Channel>;

  /**
   * Exposes an object to the peers of this net, which call its methods by `connection.remote`. Only functions that are the object's own
   * properties can be called, and nothing that it inherits.
   *
   * @typeParam T the interface that peers know it by: each method returns an Observable, a Promise, an iterable or an async iterable.
   * @param exposed the object; or a function that makes one for each connection that asks: who asks decides what it can do.
   * @returns a Subscription that withdraws it, and ends what is under way.
   * @throws InvalidOptionError (`INVALID_OPTION`) for a name that is too long or taken.
   *
   * @example
   * interface Market { prices(symbol: string): Observable<number> }
   * net.expose<Market>({ prices: (symbol) => interval(1000).pipe(map((i) => symbol.length + i)) }, { as: 'market' });
   */
  expose<T extends object>(exposed: T | ((connection: Connection) => T), options: ExposeOptions): Subscription;

  /**
   * Joins a room: a node sees who else has joined it under the same name, wherever they are, and what one says reaches all, each once, in a
   * few hops. Members find each other by the rendezvous servers that they have in common, by the DHT, and on the local network with `lan`.
   * Each keeps channels to a few of the others, on ordinary connections, which may come in `connections$`; one that was made for rooms alone is
   * closed when no room needs it any more.
   *
   * Cold: nothing happens before it is subscribed to, which starts the net if need be; unsubscribing leaves the room. Emits the room once, and
   * completes when the net is closed.
   *
   * @param name any text of at most 256 bytes of UTF-8.
   * @throws InvalidOptionError (`INVALID_OPTION`) for a wrong name or option; UnavailableError (`UNAVAILABLE`) with `security: 'plain'`;
   * ListenError (`LISTEN_FAILED`) when the net has to be started and cannot listen; ClosedError (`CLOSED`) when the net is closed.
   *
   * @example
   * net.join$('chess-club').subscribe((room) => {
   *   room.members$.subscribe((members) => console.log(`${members.length} others are here`));
   *   room.messages$.subscribe(({ from, text }) => console.log(`${from}: ${text}`));
   *   room.publish('1. e4');
   * });
   */
  join$(name: string, options?: JoinOptions): Observable<Room>;

  /**
   * The nodes of the local network that want to be found there, as this node does with `lan`: those that are there at once, and all of them again
   * whenever that changes. None without `lan`, nor before the net is started, which this does not do. Each has signed what it says; it proves its
   * key when it is connected. Completes when the net is closed.
   *
   * @example
   * net.neighbours$
   *   .pipe(mergeMap((all) => all), distinct(({ peerId }) => peerId), mergeMap(({ unl }) => net.connect$(unl)))
   *   .subscribe((connection) => connection.send('Hello, neighbour.'));
   */
  readonly neighbours$: Observable<readonly Neighbour[]>;

  /**
   * What the net is and has at the moment: at once, and whenever that changes. Completes when the net is closed.
   *
   * @example
   * net.status$.pipe(map(({ nodeType }) => nodeType)).subscribe(console.log);
   */
  readonly status$: Observable<NetStatus>;

  /**
   * Looks at this machine's network, as a node sees it, and says what that means: at once what is known, again whenever more is, and completes
   * once everything has been looked into, 20 s at most. Cold, and starts the net if need be.
   *
   * @throws ListenError (`LISTEN_FAILED`) when the net has to be started and cannot listen; ClosedError (`CLOSED`) when it is closed.
   *
   * @example
   * net.check$().pipe(last()).subscribe(({ verdict, advice }) => console.log(verdict, advice.join(' ')));
   */
  check$(): Observable<NetCheck>;

  /**
   * What the net and each attempt do, step by step, from when it is subscribed to. Completes when the net is closed.
   *
   * @example
   * net.trace$.pipe(filter(({ type }) => type === 'technique')).subscribe(console.log);
   */
  readonly trace$: Observable<TraceEvent>;

  /**
   * Loads the packages that the node will need, listens, and opens its sessions. Resolves when it listens; a second call changes
   * nothing.
   *
   * @throws ListenError (`LISTEN_FAILED`) when the port cannot be listened on; ClosedError (`CLOSED`) when the net is closed. Both
   * are rejections.
   *
   * @example
   * await net.start();
   */
  start(): Promise<void>;

  /**
   * Connects to the node that a locator is of, or hands over the connection to it that is open already. Cold: begins when
   * subscribed to, and starts the net if need be. Emits one connection and completes; unsubscribing before that gives up
   * and frees everything. The connection comes as soon as the peer has proven its key, and is usable at once, a round trip
   * before the peer's consent can be known: should it refuse, `closed$` tells. All errors are those of the Observable.
   *
   * @param unl the peer's locator, as its `unl$` has told it.
   * @param options how to connect.
   * @throws InvalidUnlError (`INVALID_UNL`) for a text that is no locator, or is this node's own, or of a node that cannot be proven.
   * @throws InvalidOptionError (`INVALID_OPTION`) for a technique that is none, or a time that is none.
   * @throws ConnectError (`CONNECT_FAILED`) when every technique has failed, with the outcome of each.
   * @throws ListenError (`LISTEN_FAILED`) when the net has to be started and cannot listen.
   * @throws ClosedError (`CLOSED`) when the net is closed, or the signal in `options` aborted.
   *
   * @example
   * net.connect$(unl).subscribe({
   *   next: (connection) => connection.send('Sup Bob.'),
   *   error: (failure) => console.error(failure.attempts),
   * });
   */
  connect$(unl: string, options?: ConnectOptions): Observable<Connection>;

  /**
   * Invites one peer by a code that one person tells another, such as `7-otter-violet`: good once, for ten minutes, and closed after three
   * wrong tries. Emits the code as soon as servers have a number for it, then who has typed it, and completes. Cold: unsubscribing gives the
   * code up, and each subscription has a code of its own. Starts the net if need be. The code is at every rendezvous server of this node, and on
   * its local network with `lan: true`, where no server is needed; nobody there, and nobody who guesses, learns anything of the words or of the
   * two nodes' locators.
   *
   * @param options how many words the code has.
   * @throws PairingError (see `PairingErrorCode`) when there is no server for it and no local network, nobody types it in time, or it is typed wrong three
   * times.
   * @throws ListenError (`LISTEN_FAILED`) when the net has to be started and cannot listen.
   * @throws ClosedError (`CLOSED`) when the net is closed, or the signal in `options` aborted.
   *
   * @example
   * net.invite$().subscribe({
   *   next: (step) => console.log(step.step === 'code' ? `tell them: ${step.code}` : `paired with ${step.peer.peerId}`),
   *   error: ({ message }) => console.error(message),
   * });
   */
  invite$(options?: InviteOptions): Observable<InviteStep>;

  /**
   * Meets the peer that shows a code, at any of this node's rendezvous servers that the peer uses, too, or with `lan: true` on
   * the local network. Emits who it is and completes; then
   * both know each other's locator, and each that the other knows the code. Cold, and starts the net if need be.
   *
   * @param options the code, as a person has typed it.
   * @throws InvalidOptionError (`INVALID_OPTION`) for a text that is no code, with the words that may be meant.
   * @throws PairingError (see `PairingErrorCode`) when the words are wrong, nobody shows the code, somebody was first, or no server can be
   * reached.
   * @throws ListenError (`LISTEN_FAILED`) when the net has to be started and cannot listen.
   * @throws ClosedError (`CLOSED`) when the net is closed, or the signal in `options` aborted.
   *
   * @example
   * net.pair$({ code: '7 otter violet' }).pipe(switchMap(({ unl }) => net.connect$(unl))).subscribe({
   *   next: (connection) => connection.send('Hello.'),
   *   error: ({ message }) => console.error(message),
   * });
   */
  pair$(options: PairOptions): Observable<PairedPeer>;

  /**
   * Sends one line to every connection. In `p2p` mode a line that has been here within the last minute, sent or received,
   * is not sent again: every node that has it would drop it. One that is being relayed always is.
   *
   * @param text the line, without its end: at most `limits.lineBytes` bytes of UTF-8.
   * @param except the connection it came from, when relaying.
   * @returns to how many it was sent.
   * @throws InvalidTextError (`INVALID_TEXT`) when the text is not one line, or is too long.
   *
   * @example
   * net.broadcast('Sup all.');
   */
  broadcast(text: string, except?: Connection): number;

  /**
   * Ends everything: connections in order, sockets, sessions, ports opened on the router, timers. Resolves when nothing is
   * left that keeps the process alive, or the time is over.
   *
   * @param withinMs connections that are not closed by then are cut, in milliseconds. Default: 5000.
   *
   * @example
   * process.once('SIGTERM', () => void net.close());
   */
  close(withinMs?: number): Promise<void>;
}
