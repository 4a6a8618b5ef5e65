import { defer, EMPTY, filter, from, merge, Observable, skip, Subject, Subscription, switchMap } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import type { CloseReason } from '../connection/close-reason.js';
import { PeerConnection, type ConnectionOwner } from '../connection/peer-connection.js';
import { contextOf, type ConnectionContext, type ConnectionStart } from '../connection/start.js';
import { siteOf } from '../bounds/site.js';
import { reasonOf } from '../errors.js';
import { isGreater, type PeerId } from '../identity.js';
import { FramedWire, FramedLink } from '../link/framed-link.js';
import { FRAME } from '../link/frames.js';
import { encodeEnd, type End, type Hello } from '../link/handshake.js';
import type { Link } from '../link/link.js';
import type { Runtime } from '../runtime.js';
import { Seen } from '../bounds/seen.js';
import type { PeerTrace } from './steps.js';
import type { Security } from './security.js';
import { slotFor } from './slots.js';
import type { Direction } from '../connection/connection.js';

/** A peer that begins a second connection gets this long to answer on the first, in milliseconds; else the second replaces it. */
const PROBE_MS = 2_000;

/** Ended connections are remembered for longer than a peer's side of them survives without a link. */
const ENDED = { forMs: 60_000, maxEntries: 1_000 };

/** How long a refused link stays open so that the peer can read why, in milliseconds. */
const REFUSAL_GRACE_MS = 1_000;

/** The reason told to a peer whose connection is closed for a newcomer. */
const GAVE_WAY = 'all inbound slots are taken, and most of them from this address: it gave way to a newcomer';

/**
 * The connections of a net, at most one to each proven peer.
 *
 * When two nodes dial each other at the same moment there are two links, and both sides must choose the same one. The side
 * with the greater key decides: it says hello on one link only, and the other side moves there.
 */
export class Peers implements ConnectionOwner {
  /** Every connection that both sides hold: those that are open, then each new one. */
  readonly connection$: Observable<PeerConnection>;

  /** What its connections share. */
  readonly #context: ConnectionContext;
  readonly #open = new Set<PeerConnection>();
  /** Plain peers prove no key: their id is their endpoint, so that each connection has its own entry. */
  readonly #byPeer = new Map<PeerId, PeerConnection>();
  readonly #begun = new Subject<PeerConnection>();
  readonly #arrived = new Subject<PeerConnection>();
  readonly #left = new Subject<PeerConnection>();
  readonly #needy = new Subject<PeerConnection>();
  readonly #probes = new Subscription();
  /** The newest link of each peer that has a connection and is being probed. */
  readonly #returning = new Map<PeerId, { readonly framed: FramedLink; readonly hello: Hello }>();
  /** This side's attempts for which the peer may make the link. */
  readonly #expected = new Map<string, { readonly peerId: PeerId; readonly technique: string }>();
  /** This side's attempts that are under way, each with its peer. */
  readonly #underWay = new Map<string, PeerId>();
  /** The ids of connections that have ended in order. */
  readonly #ended: Seen;
  /** Refused links that are still open. */
  readonly #refused = new Set<FramedLink>();

  constructor(
    readonly config: ResolvedConfig,
    readonly runtime: Runtime,
    readonly security: Security,
    readonly trace: PeerTrace,
  ) {
    this.#context = contextOf(config, runtime);
    this.#ended = new Seen({ now: () => runtime.scheduler.now(), ...ENDED });
    this.connection$ = defer(() => merge(from(this.all), this.#arrived));
  }

  /** Every connection, even if the peer has not agreed to it yet: those that are open, then each new one. */
  get begun$(): Observable<PeerConnection> {
    return defer(() => merge(from(this.begun), this.#begun));
  }

  /** The connections that need a link: those that do now, then each that comes to need one. */
  get needy$(): Observable<PeerConnection> {
    return defer(() => merge(from(this.begun.filter(({ isNeedy }) => isNeedy)), this.#needy));
  }

  /** Each connection that has ended. */
  get left$(): Observable<PeerConnection> {
    return this.#left.asObservable();
  }

  /** The connections that are open, and that both sides hold. */
  get all(): readonly PeerConnection[] {
    return [...this.#open].filter(({ confirmed, isOpen }) => confirmed && isOpen);
  }

  /** The connections that are open, or are about to be. */
  get begun(): readonly PeerConnection[] {
    return [...this.#open];
  }

  /** The connection to a peer that is open, or is about to be. */
  get(peerId: PeerId): PeerConnection | undefined {
    const connection = this.#byPeer.get(peerId);
    return connection?.isOpen === true ? connection : undefined;
  }

  /** The next connection to a peer. */
  arrival$(peerId: PeerId): Observable<PeerConnection> {
    return this.#arrived.pipe(filter((connection) => connection.peerId === peerId));
  }

  /** Emits when the peer's connection needs no other link any more: an existing one, or the next that it gets. */
  satisfied$(peerId: PeerId): Observable<unknown> {
    // Skips the current value: the caller started in spite of it.
    const existing$ = this.get(peerId)?.need$.pipe(skip(1)) ?? EMPTY;
    const next$ = this.arrival$(peerId).pipe(switchMap(({ need$ }) => need$));
    return merge(existing$, next$).pipe(filter((need) => need === 'none'));
  }

  /** How many slots of a direction are taken. A connection that looks for a link does not take one. */
  count(direction: Direction): number {
    return this.#slotted(direction).length;
  }

  /**
   * While subscribed: a link that the peer makes for this attempt counts as an outbound connection by this technique, and is never
   * refused. Never emits.
   */
  expect$(attempt: string, peerId: PeerId, technique: string): Observable<never> {
    return new Observable(() => {
      this.#expected.set(attempt, { peerId, technique });
      return () => {
        this.#expected.delete(attempt);
      };
    });
  }

  /** Marks an attempt as under way until the returned function is called. Links for any other attempt are refused. */
  begin(attempt: string, peerId: PeerId): () => void {
    this.#underWay.set(attempt, peerId);
    return () => {
      this.#underWay.delete(attempt);
    };
  }

  /** Takes a link that this side has made at the peer's request: makes a connection of it, or closes it. */
  adoptAsked(link: Link, attempt: string): void {
    const existing = this.#byPeer.get(link.peerId);
    if (existing?.hasLink === false) {
      // Even a connection that is being closed needs a link, to send what is left.
      existing.offer(new FramedLink(link, new FramedWire()), attempt);
      return;
    }
    const refusal = this.get(link.peerId) === undefined ? this.#reasonToRefuse(link) : undefined;
    if (refusal === undefined) {
      this.adopt(link, { direction: 'inbound', attempt });
    } else {
      this.trace({ type: 'inbound-failed', remote: link.remote, reason: `refused: ${refusal}` });
      link.stream.destroy();
    }
  }

  /** Takes a link that this side has chosen: makes a connection of it, or offers it to the connection that exists by now. */
  adopt(
    link: Link,
    { direction, attempt }: Pick<ConnectionStart, 'direction' | 'attempt'> = { direction: 'outbound' },
  ): PeerConnection {
    const existing = this.get(link.peerId);
    if (existing !== undefined) {
      existing.offer(new FramedLink(link, new FramedWire()), attempt);
      return existing;
    }
    return this.add(this.security.connectionOver(link, { direction, attempt }));
  }

  /** Takes a link on which a peer has said hello, or refuses it. */
  receive(framed: FramedLink, hello: Hello): void {
    const { peerId } = framed.link;
    if (framed.isBroken) return;
    const expected = hello.attempt === undefined ? undefined : this.#expected.get(hello.attempt);
    const isExpected = expected?.peerId === peerId;
    if (isExpected) framed.madeBy(expected.technique);
    const same = this.#byPeer.get(peerId);
    if (same?.id === hello.connection) {
      same.take(framed, hello);
      return;
    }
    if (hello.received !== undefined) {
      // A peer that missed the end of a connection comes back, and learns of it here.
      const code = this.#ended.has(hello.connection) ? 'closed' : 'lost';
      this.#refuse(framed, { code, message: 'there is no such connection here any more' });
      return;
    }
    const existing = this.get(peerId);
    const isLate = hello.attempt !== undefined && this.#underWay.get(hello.attempt) !== peerId;
    if (isLate && existing?.confirmed !== false) {
      // The attempt is over, and an existing connection needs no second one.
      this.#refuse(framed, { code: 'refused', message: 'the attempt that this link answers is over' });
    } else if (existing === undefined) this.#accept(framed, hello, isExpected ? 'outbound' : 'inbound');
    else if (existing.confirmed) this.#replaceIfDead(existing, framed, hello);
    // Both nodes have dialled at once.
    else if (this.#isControlling(peerId)) existing.keepSpare(framed, hello.connection);
    else existing.moveTo(framed, hello.connection);
  }

  /**
   * Whether an inbound connection from an address gets a slot: one is free, or another connection can be closed for it.
   *
   * @param address `undefined` when nobody has seen the peer.
   */
  hasInboundSlotFor(address: string | undefined): boolean {
    return this.#inboundSlotFor(address).isFree;
  }

  /** Adds a connection until it ends. An inbound one takes a slot; if none is free, another connection is closed for it. */
  add(connection: PeerConnection): PeerConnection {
    const { peerId, direction } = connection;
    if (direction === 'inbound') {
      const { gaveWay } = this.#inboundSlotFor(connection.peerEndpoint.address);
      gaveWay?.abort({ code: 'refused', by: 'us', message: GAVE_WAY });
    }
    this.#open.add(connection);
    this.#byPeer.set(peerId, connection);
    this.#begun.next(connection);
    connection.confirmed$.subscribe({
      next: () => {
        // This side may have closed it before the peer agreed.
        if (!connection.isOpen) return;
        this.trace({ type: 'connection', peerId, direction });
        this.#arrived.next(connection);
      },
      error: this.#never,
    });
    connection.belongTo(this);
    return connection;
  }

  /** See {@link ConnectionOwner}. */
  onNeedy(connection: PeerConnection): void {
    this.#needy.next(connection);
  }

  /** See {@link ConnectionOwner}. */
  onClosed(connection: PeerConnection, reason: CloseReason): void {
    const { peerId } = connection;
    this.#open.delete(connection);
    if (reason.code === 'closed' && connection.id !== '') this.#ended.add(connection.id);
    if (this.#byPeer.get(peerId) === connection) this.#byPeer.delete(peerId);
    this.trace({ type: 'connection-closed', peerId, reason });
    // A connection that the peer never agreed to was never announced.
    if (connection.confirmed) this.#left.next(connection);
  }

  /** Completes all streams. The caller has to close the connections first. */
  close(): void {
    this.#probes.unsubscribe();
    for (const { framed } of this.#returning.values()) framed.destroy();
    for (const framed of this.#refused) framed.destroy();
    this.#begun.complete();
    this.#arrived.complete();
    this.#left.complete();
    this.#needy.complete();
  }

  #slotted(direction: Direction): readonly PeerConnection[] {
    return this.begun.filter((connection) => connection.direction === direction && connection.hasLink);
  }

  #inboundSlotFor(address: string | undefined) {
    return slotFor(this.#slotted('inbound'), this.config.slots.inbound, address);
  }

  /** The node with the greater key decides. */
  #isControlling(peerId: PeerId): boolean {
    return isGreater(this.config.identity.peerId, peerId);
  }

  #accept(framed: FramedLink, { connection: id }: Hello, direction: Direction): void {
    const refusal = direction === 'inbound' ? this.#reasonToRefuse(framed.link) : undefined;
    if (refusal === undefined) {
      const isControlling = this.#isControlling(framed.link.peerId);
      const start = { id, direction, confirmed: true, isControlling } as const;
      this.#bound(direction);
      this.add(new PeerConnection(framed, start, this.#context));
    } else {
      this.#refuse(framed, { code: 'refused', message: refusal });
    }
  }

  /** No more connections may look for a link than there are slots, so that peers that come and go take no more memory than others. */
  #bound(direction: Direction): void {
    const adrift = this.begun.filter((connection) => connection.direction === direction && !connection.hasLink);
    if (direction === 'inbound' && adrift.length >= this.config.slots.inbound)
      adrift[0]?.abort({ code: 'lost', by: 'us', message: 'the link broke, and too many others look for one' });
  }

  #reasonToRefuse({ peerId, remote }: Link): string | undefined {
    if (peerId === this.config.identity.peerId) return 'this is the same node';
    if (!this.hasInboundSlotFor(remote.address)) return 'all inbound slots are taken';
    if (!this.#mayHaveOneMore(remote.address)) return 'too many inbound slots are taken from this address';
    try {
      return this.config.acceptPeer(peerId) ? undefined : 'this peer is not welcome here';
    } catch (error) {
      return `this peer could not be judged: ${reasonOf(error)}`;
    }
  }

  /** In a flooding network, all keys at one address together may take half of the slots. */
  #mayHaveOneMore(address: string): boolean {
    if (this.config.mode === 'direct') return true;
    const host = siteOf(address);
    const used = this.begun.filter(
      ({ direction, peerEndpoint }) => direction === 'inbound' && siteOf(peerEndpoint.address) === host,
    ).length;
    return used < Math.ceil(this.config.slots.inbound / 2);
  }

  /** A peer that has lost its side of a connection begins a new one. If it still answers on the first, the new one is refused. */
  #replaceIfDead(existing: PeerConnection, framed: FramedLink, hello: Hello): void {
    const { peerId } = existing;
    const isProbing = this.#returning.has(peerId);
    this.#returning.get(peerId)?.framed.destroy();
    this.#returning.set(peerId, { framed, hello });
    if (isProbing) return;
    this.#probes.add(
      existing.isAlive$(PROBE_MS).subscribe({
        next: (alive) => {
          const newest = this.#returning.get(peerId) ?? { framed, hello };
          this.#returning.delete(peerId);
          if (alive) {
            this.#refuse(newest.framed, { code: 'refused', message: 'there is a connection already' });
            return;
          }
          existing.abort({ code: 'replaced', by: 'peer', message: 'the peer came back with a new connection' });
          this.receive(newest.framed, newest.hello);
        },
        error: this.#never,
      }),
    );
  }

  #refuse(framed: FramedLink, end: End): void {
    const { stream, remote } = framed.link;
    this.trace({ type: 'inbound-failed', remote, reason: `refused: ${end.message}` });
    framed.write(FRAME.end, encodeEnd(end));
    this.#refused.add(framed);
    stream.once('close', () => {
      this.#refused.delete(framed);
    });
    framed.retire(REFUSAL_GRACE_MS, this.runtime.scheduler);
  }

  readonly #never = (): void => undefined;
}
