import type { Observable } from 'rxjs';
import type { Channel, Connection } from '../connection/connection.js';
import type { Identity, PeerId } from '../identity.js';
import type { Runtime } from '../runtime.js';
import type { Unl, UnlV3 } from '../unl/types.js';
import type { Finder } from './discovery/finder.js';
import type { RoomTrace } from './steps.js';

/** A channel as a room uses it. */
export interface RoomChannel extends Pick<
  Channel,
  'reset' | 'close' | 'closed$' | 'drain$' | 'sendMessage' | 'eachMessage$' | 'messages$'
> {
  readonly connection: Pick<Connection, 'peerId' | 'path$'>;
}

/** What a room needs of its net. */
export interface RoomNet {
  readonly identity: Identity;
  readonly runtime: Pick<Runtime, 'scheduler' | 'timeOfDay' | 'random'>;
  /** This node's locator as it is now, … */
  readonly own: () => Unl;
  /** … and whenever it changes; replays the latest. */
  readonly own$: Observable<Unl>;
  /** The same as a text. */
  readonly unl$: Observable<string>;
  /** Whether one of this machine's interfaces is on the same network as an address. */
  readonly isOnLink: (address: string) => boolean;
  readonly trace: RoomTrace;
  /** The rooms that this net is in now, by the names of their channels. */
  readonly joined: Set<string>;
  /** Finds other members. */
  readonly find: Finder;
  /** Whether a peer is welcome. */
  readonly accepts: (peerId: PeerId) => boolean;
  /** Connects to a peer: emits the connection that there is, or a new one once the peer has agreed. */
  readonly connect$: (peer: UnlV3) => Observable<Connection>;
  /** Opens a channel of a room. The connection is kept for as long as the channel is open. */
  readonly openChannel: (connection: Connection, name: string) => Channel;
  /** The channels of a room that peers open. */
  readonly channels$: (name: string) => Observable<Channel>;
}
