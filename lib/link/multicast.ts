import { createSocket } from 'node:dgram';
import type { NetworkInterfaceInfo } from 'node:os';
import ipaddr from 'ipaddr.js';
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
import { canonicalAddress, familyOf, scopeOf, withoutZone } from '../endpoint.js';
import { reasonOf } from '../errors.js';
import type { Interfaces } from './interfaces.js';

/** The port of multicast DNS (RFC 6762 §3). */
export const MULTICAST_DNS_PORT = 5353;

/** The groups of multicast DNS (RFC 6762 §3): no router passes on what is sent there. */
const GROUPS = { 4: '224.0.0.251', 6: 'ff02::fb' } as const;

/** The highest there is: a packet that a router has passed on has less (RFC 6762 §11). */
const HOPS = 255;

/** An interface that cannot be used is tried again after this time, in milliseconds: it may get its address yet. */
const RETRY_MS = 10_000;

/** A network that this machine is on, by one interface and one family of addresses. */
export interface MulticastLink {
  /** Names it: the interface and the address. */
  readonly key: string;
  /** The family of addresses: IPv4 or IPv6. */
  readonly family: 4 | 6;
  /** The address that packets leave from. */
  readonly address: string;
  /** What names the interface where an address of IPv6 does not (RFC 4007 §11); empty for IPv4. */
  readonly zone: string;
  /** The networks whose hosts are here, each with the length of its prefix: `192.168.1.7/24`. */
  readonly networks: readonly string[];
}

/** Who has sent a packet. */
export interface Source {
  /** Canonical text, without a zone. */
  readonly address: string;
  /** 5353 for a node; another for an ordinary resolver. */
  readonly port: number;
  /** The {@link MulticastLink} by which it came. */
  readonly link: string;
}

/** A packet to send. */
export interface Outgoing {
  /** All of it. */
  readonly bytes: Buffer;
  /** To whom. Default: to the groups, by every link. */
  readonly to?: Source | undefined;
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

/**
 * The links of this machine: every interface but loopback; or the one that has the address that a node is bound to, and no other. Pure.
 *
 * @param interfaces as the system tells them.
 * @param bind the address that the node is bound to, if it is.
 *
 * @example
 * const [loopback] = linksOf(networkInterfaces(), '127.0.0.1');
 */
export function linksOf(interfaces: Interfaces | undefined, bind: string | undefined): readonly MulticastLink[] {
  const bound = bind === undefined ? undefined : canonicalAddress(withoutZone(bind));
  const only = bound === undefined || scopeOf(bound) === 'unusable' ? undefined : bound;
  const isWanted = (family: 4 | 6) => bound === undefined || bound === '::' || familyOf(bound) === family;
  return Object.entries(interfaces ?? {}).flatMap(([name, entries = []]) => {
    const all = entries.flatMap(addressIn).filter(({ family }) => isWanted(family));
    const here = all.filter(({ address, cidr, internal }) => {
      if (only === undefined) return !internal;
      // On loopback every address of its network is this machine's.
      return address === only || (internal && isIn(only, cidr));
    });
    const byIpv4 = here
      .filter(({ family }) => family === 4)
      .map(({ address, cidr }) => linkOf(name, '', only ?? address, [cidr]));
    const ofIpv6 = here.filter(({ family }) => family === 6);
    const ipv6 = ofIpv6.find(({ address }) => scopeOf(address) === 'linkLocal') ?? ofIpv6[0];
    if (ipv6 === undefined) return byIpv4;
    const zone = process.platform === 'win32' ? String(ipv6.scopeId) : name;
    const networks = all.filter(({ family }) => family === 6).map(({ cidr }) => cidr);
    return [...byIpv4, linkOf(name, zone, ipv6.address, networks)];
  });
}

function linkOf(name: string, zone: string, address: string, networks: readonly string[]): MulticastLink {
  return { key: `${name} ${address}`, family: familyOf(address), address, zone, networks };
}

function addressIn(entry: NetworkInterfaceInfo) {
  const { cidr, internal } = entry;
  const address = canonicalAddress(withoutZone(entry.address));
  if (address === undefined || cidr === null) return [];
  return [{ address, cidr, internal, family: familyOf(address), scopeId: entry.family === 'IPv6' ? entry.scopeid : 0 }];
}

/**
 * Whether a host with an address is on a link, so that no router is in between. Pure.
 *
 * @example
 * const link = { key: 'eth0', family: 4, address: '192.168.1.7', zone: '', networks: ['192.168.1.7/24'] } as const;
 * isOnLinkOf(link, '192.168.1.8'); // true
 */
export function isOnLinkOf({ networks }: MulticastLink, address: string): boolean {
  return networks.some((network) => isIn(address, network));
}

function isIn(address: string, network: string): boolean {
  const target = ipaddr.parse(address);
  const [base, bits] = ipaddr.parseCIDR(network);
  return base.kind() === target.kind() && target.match(base, bits);
}

/** Like {@link multicast$}, with a scheduler of its own. */
export function multicastWith(scheduler: SchedulerLike): (config: MulticastConfig) => Observable<MulticastEvent> {
  return ({ links$, outgoing$, port = MULTICAST_DNS_PORT }) => {
    const used$ = (link: MulticastLink): Observable<MulticastEvent> =>
      socketOn$(link, port, outgoing$).pipe(
        catchError((error: unknown) =>
          concat(of<MulticastEvent>({ type: 'failed', link, reason: reasonOf(error) }), failing$(error)),
        ),
        retry({ delay: () => timer(RETRY_MS, scheduler) }),
      );
    return new Observable((subscriber) => {
      const open = new Map<string, Subscription>();
      const onError = (error: unknown) => {
        subscriber.error(error);
      };
      const use = (links: readonly MulticastLink[]) => {
        const keys = new Set(links.map(({ key }) => key));
        for (const [key, subscription] of open) {
          if (keys.has(key)) continue;
          open.delete(key);
          subscription.unsubscribe();
        }
        for (const link of links) {
          if (open.has(link.key)) continue;
          const next = (event: MulticastEvent) => {
            subscriber.next(event);
          };
          open.set(link.key, used$(link).subscribe({ next, error: onError }));
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

/** One socket for each link, since a packet leaves by the interface that its socket is set to. */
function socketOn$(link: MulticastLink, port: number, outgoing$: Observable<Outgoing>): Observable<MulticastEvent> {
  return new Observable((subscriber) => {
    const { family, address, zone } = link;
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
      const source = canonicalAddress(withoutZone(from.address));
      const isByAnother = isIpv6 && from.address.includes('%') && !from.address.endsWith(`%${zone}`);
      // From port 0 nobody wants an answer, and none can be sent there.
      if (source === undefined || from.port === 0 || isByAnother || !isOnLinkOf(link, source)) return;
      subscriber.next({ type: 'packet', bytes, from: { address: source, port: from.port, link: link.key } });
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
