import { randomBytes } from 'node:crypto';
import { noop, Subscription, take } from 'rxjs';
import { Admission } from '../bounds/admission.js';
import { siteOf } from '../bounds/site.js';
import { isGreater, type PeerId } from '../identity.js';
import { Failures, type Place } from './failures.js';
import { Entry, type EntryConfig } from './entry.js';
import type { RoomChannel, RoomNet } from './host.js';
import type { Member } from './machine.js';
import { Neighbour } from './neighbour.js';
import type { EntryMessage } from './wire/hello.js';
import type { WireMessage } from './wire/messages.js';
import type { UnlV3 } from '../unl/types.js';

/** Peers that are about to enter, at once; when there are more, one gives way of the site that has most. */
const MOST_ENTERING = 64;

const FULL = 'too many are about to enter';

const FAILED = 'this peer has failed to enter too often';

/** Learns of the channels to other members. */
export interface DoorsHost {
  /**
   * A member has entered.
   *
   * @param site what it is counted by where places are shared.
   */
  onOpened(member: Member, site: string): void;
  /** A dial has led to nobody. */
  onFailed(id: PeerId): void;
  onClosed(id: PeerId): void;
  /** A direct link leads to a member at this address. */
  onMet(id: PeerId, address: string): void;
  onMessage(from: PeerId, message: Exclude<WireMessage, EntryMessage>): void;
}

/** A peer that is about to enter, and where it was when it began: a connection that is over does not tell. */
interface Entering {
  readonly neighbour: Neighbour;
  readonly place: Place;
}

/** What the channels of a room need. */
export interface DoorsConfig {
  readonly net: Pick<RoomNet, 'identity' | 'runtime' | 'accepts' | 'connect$' | 'openChannel'>;
  readonly topic: Uint8Array;
  readonly channel: string;
  readonly secret: EntryConfig['secret'];
  readonly self: () => Member;
  readonly perSecond: number;
  readonly host: DoorsHost;
}

/**
 * The channels of a room to other members, one to each. Where two open one to each other at the same moment, that of the greater key stays. A
 * peer that opens another has lost the first: the new one takes its place once the peer has entered by it.
 */
export class Doors {
  readonly #config: DoorsConfig;
  readonly #dialling = new Map<PeerId, Subscription>();
  readonly #entering = new Map<PeerId, Entering>();
  readonly #entered = new Map<PeerId, Neighbour>();
  readonly #room = new Admission<PeerId>({ most: MOST_ENTERING });
  readonly #failures: Failures;
  #isClosed = false;

  constructor(config: DoorsConfig) {
    const { scheduler } = config.net.runtime;
    this.#config = config;
    this.#failures = new Failures(() => scheduler.now());
  }

  /** Opens a channel with a peer: `onOpened` or `onFailed` follows. */
  dial(id: PeerId, unl: UnlV3 | undefined): void {
    if (this.#dialling.has(id)) return;
    const subscription = new Subscription();
    this.#dialling.set(id, subscription);
    if (unl === undefined || !this.#config.net.accepts(id)) {
      this.#giveUp(id);
      return;
    }
    if (this.#entering.has(id)) return;
    const connected$ = this.#config.net.connect$(unl).pipe(take(1));
    subscription.add(
      connected$.subscribe({
        next: (connection) => {
          if (this.#entering.has(id) || this.#entered.has(id)) return;
          // Who answers a dial tries a secret as well as who opens a channel.
          if (this.#failures.areTooMany(placeOf(connection))) return;
          try {
            const channel = this.#config.net.openChannel(connection, this.#config.channel);
            // This node has chosen it: there is always room.
            this.#room.add(shareOf(placeOf(connection)), id);
            this.#enter(channel, true);
          } catch {
            // There are too many channels: the peer is not reached now.
          }
        },
        error: () => {
          if (!this.#entering.has(id)) this.#giveUp(id);
        },
        complete: () => {
          if (!this.#entering.has(id) && !this.#entered.has(id)) this.#giveUp(id);
        },
      }),
    );
  }

  /** A peer has opened a channel. */
  accept(channel: RoomChannel): void {
    const { peerId } = channel.connection;
    const other = this.#entering.get(peerId);
    const refusal = this.#refusal(channel.connection, other?.neighbour);
    if (refusal !== undefined) {
      channel.reset(0, refusal);
      return;
    }
    if (other !== undefined) {
      this.#endEntry(other);
      other.neighbour.drop('another channel is used');
    }
    // That the other was a guess too much shows only now.
    if (this.#failures.areTooMany(placeOf(channel.connection))) channel.reset(0, FAILED);
    else if (!this.#admits(channel.connection)) channel.reset(0, FULL);
    else this.#enter(channel, false);
  }

  /** Whether there is room for one more who is about to enter; for one of a smaller site, one of the largest gives way. */
  #admits(connection: RoomChannel['connection']): boolean {
    const { isIn, gaveWay } = this.#room.admit(shareOf(placeOf(connection)), connection.peerId);
    const entering = gaveWay === undefined ? undefined : this.#entering.get(gaveWay);
    if (entering !== undefined) {
      this.#endEntry(entering);
      entering.neighbour.drop(FULL);
      if (this.#dialling.has(entering.neighbour.id)) this.#giveUp(entering.neighbour.id);
    }
    return isIn;
  }

  send(to: PeerId, message: WireMessage): void {
    this.#entered.get(to)?.send(message);
  }

  /** Closes the channel with a peer, after what was sent. */
  close(id: PeerId): void {
    const neighbour = this.#entered.get(id);
    this.#entered.delete(id);
    neighbour?.leave();
  }

  /** Closes all channels, after what was sent. */
  closeAll(): void {
    this.#isClosed = true;
    for (const subscription of this.#dialling.values()) subscription.unsubscribe();
    for (const { neighbour } of this.#entering.values()) neighbour.drop('this node leaves the room');
    for (const neighbour of this.#entered.values()) neighbour.leave();
    this.#dialling.clear();
    this.#entering.clear();
    this.#entered.clear();
  }

  #refusal(connection: RoomChannel['connection'], other: Neighbour | undefined): string | undefined {
    const { net } = this.#config;
    const { peerId } = connection;
    if (this.#isClosed || !net.accepts(peerId)) return 'this peer is not welcome here';
    if (this.#failures.areTooMany(placeOf(connection))) return FAILED;
    return other?.isOpener === true && isGreater(net.identity.peerId, peerId) ? 'another channel is used' : undefined;
  }

  #enter(channel: RoomChannel, isOpener: boolean): void {
    const { net, topic, secret, self, perSecond } = this.#config;
    const { scheduler } = net.runtime;
    const peer = channel.connection.peerId;
    const own = net.identity.peerId;
    const entry = new Entry({ isOpener, topic, own, peer, self, secret, random: randomBytes });
    const neighbour = new Neighbour({ channel, isOpener, entry, perSecond, scheduler, host: this.#neighbourHost });
    this.#entering.set(peer, { neighbour, place: placeOf(channel.connection) });
    neighbour.begin();
  }

  /** A peer has not entered by this channel. What may have been a guess at the secret counts, however the channel has come to its end. */
  #endEntry({ neighbour, place }: Entering): void {
    this.#entering.delete(neighbour.id);
    this.#room.leave(shareOf(place), neighbour.id);
    if (neighbour.mayHaveGuessed) this.#failures.note(place);
  }

  readonly #neighbourHost = {
    onEntered: (neighbour: Neighbour, member: Member) => {
      const { id } = neighbour;
      const place = this.#entering.get(id)?.place ?? placeOf(neighbour.connection);
      this.#entering.delete(id);
      this.#room.leave(shareOf(place), id);
      this.#entered.get(id)?.drop('another channel is used');
      this.#entered.set(id, neighbour);
      this.#endDial(id);
      const address = directAddressOf(neighbour.connection);
      if (address !== undefined) this.#config.host.onMet(id, address);
      this.#config.host.onOpened(member, shareOf(place));
    },
    onMessage: (neighbour: Neighbour, message: Exclude<WireMessage, EntryMessage>) => {
      if (this.#entered.get(neighbour.id) === neighbour) this.#config.host.onMessage(neighbour.id, message);
    },
    onClosed: (neighbour: Neighbour) => {
      const { id } = neighbour;
      const entering = this.#entering.get(id);
      if (entering?.neighbour === neighbour) {
        this.#endEntry(entering);
        if (this.#dialling.has(id)) this.#giveUp(id);
      } else if (this.#entered.get(id) === neighbour) {
        this.#entered.delete(id);
        this.#config.host.onClosed(id);
      }
    },
  };

  #endDial(id: PeerId): void {
    this.#dialling.get(id)?.unsubscribe();
    this.#dialling.delete(id);
  }

  #giveUp(id: PeerId): void {
    this.#endDial(id);
    this.#config.host.onFailed(id);
  }
}

function placeOf(connection: RoomChannel['connection']): Place {
  const address = directAddressOf(connection);
  if (address === undefined) return { site: connection.peerId, isRelayed: true };
  return { site: siteOf(address), isRelayed: false };
}

/** What peers are counted by where room is shared. By relays come as many keys as one likes: they share what one site has. */
function shareOf({ site, isRelayed }: Place): string {
  return isRelayed ? RELAYED : site;
}

const RELAYED = 'relayed';

/** The address to which a direct link leads. */
function directAddressOf({ path$ }: RoomChannel['connection']): string | undefined {
  let address: string | undefined;
  path$.pipe(take(1)).subscribe({
    next: ({ direct, remote }) => {
      if (direct) address = remote.address;
    },
    error: noop,
  });
  return address;
}
