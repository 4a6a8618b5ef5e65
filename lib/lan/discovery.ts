import { sharedRate } from '../bounds/shared-rate.js';
import type { PeerId } from '../identity.js';
import type { Outgoing, Source } from '../link/multicast.js';
import { Asker } from './asker.js';
import { decodeMessage } from './dns/decode.js';
import { encodeMessage } from './dns/encode.js';
import type { DnsRecord } from './dns/message.js';
import { Neighbourhood, siteOfNeighbour, type Heard } from './neighbourhood.js';
import { Responder, type Announcement } from './responder.js';
import { instanceOf, SERVICE } from './statement.js';

/** Packets that are read: of all hosts, of one, and what each is assured of: it says something a few times a minute. What is more is dropped unread. */
const READ = {
  all: { perSecond: 500, burst: 2_000 },
  ofSite: { perSecond: 50, burst: 500 },
  assured: { perSecond: 1, burst: 20 },
  maxSites: 1_000,
};

/** What discovery needs of the outside. */
interface DiscoveryConfig {
  readonly peerId: PeerId;
  /** The port of multicast DNS. */
  readonly port: number;
  /** A clock that never jumps, in milliseconds. */
  readonly now: () => number;
  /** The time of day, in milliseconds since the epoch. */
  readonly timeOfDay: () => number;
  readonly random: () => number;
}

/**
 * Multicast DNS (RFC 6762) and DNS-SD (RFC 6763) for nodes: what a packet means, and what is to be sent, and when. Pure: it has no sockets
 * and no timers. After each call, what {@link take} returns is to be sent, and it is to be called again at {@link nextAt}.
 */
export class Discovery {
  readonly #instance: string;
  readonly #neighbourhood: Neighbourhood;
  readonly #responder: Responder;
  readonly #asker: Asker;
  readonly #mayRead: (site: string) => boolean;

  constructor(readonly config: DiscoveryConfig) {
    const { peerId, now } = config;
    this.#instance = instanceOf(peerId) ?? '';
    this.#neighbourhood = new Neighbourhood(config);
    this.#responder = new Responder(config);
    this.#asker = new Asker({ ...config, neighbourhood: this.#neighbourhood, instance: this.#instance });
    this.#mayRead = sharedRate({ now, ...READ });
  }

  /** When {@link take} is to be called again; `undefined`: not before something happens. */
  get nextAt(): number | undefined {
    const times = [this.#responder.nextAt, this.#asker.nextAt, this.#neighbourhood.nextAt];
    const all = times.filter((time) => time !== undefined);
    return all.length === 0 ? undefined : Math.min(...all);
  }

  /** Another number whenever the neighbours are others. */
  get changes(): number {
    return this.#neighbourhood.changes;
  }

  /** The nodes that are there. */
  get neighbours(): readonly Heard[] {
    return this.#neighbourhood.all;
  }

  neighbour(peerId: PeerId): Heard | undefined {
    return this.#neighbourhood.get(peerId);
  }

  /** Asks who is there. */
  begin(): void {
    this.#asker.begin();
  }

  /** Asks no more, and forgets who was there. */
  end(): void {
    this.#asker.end();
    this.#neighbourhood.clear();
  }

  /** Announces this node from now on; `undefined`: says goodbye. */
  announce(announcement: Omit<Announcement, 'instance'> | undefined): void {
    this.#responder.announce(announcement && { ...announcement, instance: this.#instance });
  }

  /** There is another network: it is told of this node, and asked who is there. */
  renew(): void {
    this.#responder.renew(true);
    if (this.#asker.nextAt !== undefined) this.#asker.begin();
  }

  /** Asks for one node. */
  seek(peerId: PeerId): void {
    const instance = instanceOf(peerId);
    if (instance !== undefined && instance !== this.#instance) this.#asker.seek(instance);
  }

  /** A node did not answer where it says that it is. */
  doubt(peerId: PeerId): void {
    this.#neighbourhood.doubt(peerId);
    this.seek(peerId);
  }

  /** Takes a packet of the local network. */
  receive(bytes: Buffer, from: Source): void {
    if (!this.#mayRead(siteOfNeighbour(from.address))) return;
    const message = decodeMessage(bytes);
    if (message === undefined) return;
    const isOfResponder = from.port === this.config.port;
    if (!message.isResponse) {
      this.#responder.asked(message, from);
      if (isOfResponder) this.#asker.overheard(message);
    } else if (isOfResponder) {
      // Answers from another port are ignored (RFC 6762 §6).
      for (const record of [...message.answers, ...message.additionals]) this.#hear(record, from);
    }
  }

  /** What is to be sent now. */
  take(): readonly Outgoing[] {
    this.#neighbourhood.expire();
    return [...this.#asker.take().map((message) => ({ message, to: undefined })), ...this.#responder.take()].map(
      ({ message, to }) => ({ bytes: encodeMessage(message), to }),
    );
  }

  /** All that a node says of itself is in its TXT record, signed. */
  #hear(record: DnsRecord, from: Source): void {
    if (record.type !== 'TXT' || !record.name.endsWith(`.${SERVICE}`)) return;
    if (record.name === this.#instance) {
      this.#responder.overheard(record);
      return;
    }
    const doubtful = this.#neighbourhood.hear(record, from);
    if (doubtful !== undefined) this.seek(doubtful);
  }
}
