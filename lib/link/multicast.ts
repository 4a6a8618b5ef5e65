import { createSocket } from 'node:dgram';
import {
  asyncScheduler,
  catchError,
  concat,
  defer,
  Observable,
  of,
  retry,
  Subscription,
  timer,
  type SchedulerLike,
} from 'rxjs';
import { canonicalAddress, scopeOf, withoutZone } from '../endpoint.js';
import { reasonOf } from '../errors.js';
import { isOnLinkOf, type MulticastLink } from './multicast-links.js';

/** The port of multicast DNS (RFC 6762 §3). */
export const MULTICAST_DNS_PORT = 5353;

/** The groups of multicast DNS (RFC 6762 §3): no router passes on what is sent there. */
const GROUPS = { 4: '224.0.0.251', 6: 'ff02::fb' } as const;

/** The highest there is: a packet that a router has passed on has less (RFC 6762 §11). */
const HOPS = 255;

/** An interface that cannot be used is tried again after this time, in milliseconds: it may get its address yet. */
const RETRY_MS = 10_000;

/** Who has sent a packet. */
export interface Source {
  /** Canonical text, without a zone. */
  readonly address: string;
  /** 5353 for a node; another for an ordinary resolver. */
  readonly port: number;
  /** The {@link MulticastLink} by which it came. */
  readonly link: string;
  /** The interface of that link. */
  readonly interfaceName: string;
}

/** A packet to send. */
export interface Outgoing {
  /** All of it. */
  readonly bytes: Buffer;
  /** To whom. Default: to the groups, by every link. */
  readonly to?: Omit<Source, 'interfaceName'> | undefined;
}

/** What happens on the local network. */
export type MulticastEvent =
  /** Packets can be sent and received by a link. */
  | {
      readonly type: 'joined';
      /** By which. */
      readonly link: MulticastLink;
    }
  /** A link cannot be used for now. */
  | {
      readonly type: 'failed';
      /** Which. */
      readonly link: MulticastLink;
      /** Why, in words. */
      readonly reason: string;
    }
  /** A packet came from a host of a link. */
  | {
      readonly type: 'packet';
      /** All of it. */
      readonly bytes: Buffer;
      /** Who has sent it. */
      readonly from: Source;
    };

/** How to use the local network. */
export interface MulticastConfig {
  /** The links to use, whenever they change. */
  readonly links$: Observable<readonly MulticastLink[]>;
  /** What to send. */
  readonly outgoing$: Observable<Outgoing>;
  /** Default: 5353. */
  readonly port?: number | undefined;
}

/** Like {@link multicast$}, with a scheduler of its own. */
export function multicastWith(scheduler: SchedulerLike): (config: MulticastConfig) => Observable<MulticastEvent> {
  return ({ links$, outgoing$, port = MULTICAST_DNS_PORT }) => {
    const used$ = (link: MulticastLink, isOnLink: (address: string) => boolean): Observable<MulticastEvent> =>
      socketOn$(link, { port, outgoing$, isOnLink }).pipe(
        catchError((error: unknown) =>
          concat(of<MulticastEvent>({ type: 'failed', link, reason: reasonOf(error) }), failing$(error)),
        ),
        retry({ delay: () => timer(RETRY_MS, scheduler) }),
      );
    return new Observable((subscriber) => {
      const open = new Map<string, Subscription>();
      // By their keys, as they are now: an interface may get another address, and so other networks, under an open socket.
      let current: ReadonlyMap<string, MulticastLink> = new Map();
      const onError = (error: unknown) => {
        subscriber.error(error);
      };
      const use = (links: readonly MulticastLink[]) => {
        current = new Map(links.map((link) => [link.key, link]));
        for (const [key, subscription] of open) {
          if (current.has(key)) continue;
          open.delete(key);
          subscription.unsubscribe();
        }
        for (const link of links) {
          if (open.has(link.key)) continue;
          const isOnLink = (address: string) => isOnLinkOf(current.get(link.key) ?? link, address);
          const next = (event: MulticastEvent) => {
            subscriber.next(event);
          };
          open.set(link.key, used$(link, isOnLink).subscribe({ next, error: onError }));
        }
      };
      subscriber.add(links$.subscribe({ next: use, error: onError }));
      return () => {
        for (const subscription of open.values()) subscription.unsubscribe();
      };
    });
  };
}

/**
 * Sends packets to the groups of multicast DNS, and receives those that come from hosts of the same links. Nothing leaves a link, and what
 * comes from elsewhere is dropped. A link that cannot be used says so, and is tried again. What was given to send before it is unsubscribed is
 * sent yet.
 *
 * @example
 * multicast$({ links$, outgoing$ }).subscribe(handle);
 */
export const multicast$ = multicastWith(asyncScheduler);

/** What a socket is for. */
interface SocketConfig {
  readonly port: number;
  readonly outgoing$: Observable<Outgoing>;
  /** Whether a host with an address is on the link now. */
  readonly isOnLink: (address: string) => boolean;
}

/** One socket for each link, since a packet leaves by the interface that its socket is set to. */
function socketOn$(link: MulticastLink, { port, outgoing$, isOnLink }: SocketConfig): Observable<MulticastEvent> {
  return new Observable((subscriber) => {
    const { family, address, zone, interfaceName } = link;
    const isIpv6 = family === 6;
    // Other programs have the port, too.
    const socket = createSocket({ type: isIpv6 ? 'udp6' : 'udp4', reuseAddr: true, ipv6Only: isIpv6 });
    let unsent = 0;
    let isOver = false;
    const closeIfSent = () => {
      if (isOver && unsent === 0) socket.close();
    };
    const send = ({ bytes, to }: Outgoing) => {
      if (to !== undefined && to.link !== link.key) return;
      const host = to?.address ?? GROUPS[family];
      const scoped = isIpv6 && scopeOf(host) !== 'global' ? `${host}%${zone}` : host;
      unsent++;
      const sent = () => {
        unsent--;
        closeIfSent();
      };
      // A packet that cannot be sent is as one that was lost.
      try {
        socket.send(bytes, to?.port ?? port, scoped, sent);
      } catch {
        sent();
      }
    };
    const join = () => {
      const own = isIpv6 ? `::%${zone}` : address;
      socket.setMulticastTTL(HOPS);
      socket.setTTL(HOPS);
      // Other programs of this machine hear it, too.
      socket.setMulticastLoopback(true);
      socket.setMulticastInterface(own);
      socket.addMembership(GROUPS[family], own);
    };
    socket.on('error', (error) => {
      subscriber.error(error);
    });
    socket.on('message', (bytes, from) => {
      const sender = canonicalAddress(withoutZone(from.address));
      const isByAnother = isIpv6 && from.address.includes('%') && !from.address.endsWith(`%${zone}`);
      // From port 0 nobody wants an answer, and none can be sent there.
      if (sender === undefined || from.port === 0 || isByAnother || !isOnLink(sender)) return;
      const source = { address: sender, port: from.port, link: link.key, interfaceName };
      subscriber.next({ type: 'packet', bytes, from: source });
    });
    socket.bind({ port, exclusive: true, address: isIpv6 ? '::' : '0.0.0.0' }, () => {
      if (isOver) return;
      try {
        join();
      } catch (error) {
        subscriber.error(error);
        return;
      }
      subscriber.add(
        outgoing$.subscribe({
          next: send,
          error: (error: unknown) => {
            subscriber.error(error);
          },
        }),
      );
      subscriber.next({ type: 'joined', link });
    });
    return () => {
      isOver = true;
      closeIfSent();
    };
  });
}

function failing$(error: unknown): Observable<never> {
  return defer(() => {
    throw error;
  });
}
