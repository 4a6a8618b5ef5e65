import type natUpnp from 'nat-upnp';
import {
  defer,
  distinct,
  EMPTY,
  from,
  mergeMap,
  noop,
  Observable,
  of,
  switchMap,
  take,
  takeUntil,
  throwIfEmpty,
  timer,
  type SchedulerLike,
} from 'rxjs';
import { canonicalAddress, familyOf, withoutZone } from '../../endpoint.js';
import { PortMappingError, reasonOf, TimeoutError } from '../../errors.js';
import type { Gateway } from '../gateway.js';
import { loadNatUpnp } from '../../packages.js';
import { show, readUrl } from '../../validate.js';
import { retransmit, SEND_AT_MS } from '../retransmit.js';

/** What is searched for first: a gateway of version 2 answers to version 1, too (UPnP Device Architecture 1.1 §1.3.2). */
const TARGET = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1';

/** Targets for gateways that do not answer to the first; each of them is needed by some. */
const OTHER_TARGETS = [
  'urn:schemas-upnp-org:device:InternetGatewayDevice:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
  'upnp:rootdevice',
];

/** Where searches are heard (UPnP Device Architecture 1.1 §1.3). */
const MULTICAST = '239.255.255.250';

/** Answers are a few headers, in bytes. */
const MAX_BYTES = 2_048;

/** The longest first line that is read, in characters: `HTTP/1.1 200 OK` is all that is needed. */
const MAX_FIRST_LENGTH = 32;

/** How many answers of a gateway are looked at: one to each datagram sent, from each of its devices and services. */
const MAX_ANSWERS = 256;

/** So many descriptions are worth a look: of the gateway itself, and of what else runs on it. */
const MAX_DESCRIPTIONS = 8;

/** For a search, in milliseconds: half a second after it was sent for the last time. */
export const SEARCH_MS = Math.max(...SEND_AT_MS) + 500;

/** What to search for a gateway with. */
interface SearchConfig {
  readonly gateway: Gateway;
  /** The local address that leads to the gateway. */
  readonly localAddress: string;
  readonly scheduler: SchedulerLike;
}

/**
 * Searches for the descriptions of a UPnP gateway: by multicast, and by asking the default gateway itself, since some
 * answer only one of them. Emits each URL that leads to the gateway once, and completes when the time for answers is over. Anybody on the
 * LAN may answer a search: what is not from the default gateway does not count.
 *
 * @throws PortMappingError when all of the gateway's answers lead elsewhere; TimeoutError when it gives none.
 *
 * @example
 * search$({ gateway, localAddress: '192.168.1.7', scheduler }).subscribe(({ href }) => console.log(href));
 */
export function search$(config: SearchConfig): Observable<URL> {
  const { gateway, scheduler } = config;
  return defer(() => {
    let useless: string | undefined;
    return from(loadNatUpnp()).pipe(
      // The time for answers begins when the package is loaded, which takes seconds on a busy machine.
      switchMap(({ ssdp }) => location$(ssdp, config).pipe(takeUntil(timer(SEARCH_MS, scheduler)))),
      distinct(),
      mergeMap((location) => {
        const url = readUrl(location);
        if (url !== undefined && leadsTo(gateway, url)) return of(url);
        useless ??= location;
        return EMPTY;
      }),
      take(MAX_DESCRIPTIONS),
      throwIfEmpty(() =>
        useless === undefined
          ? new TimeoutError(`The gateway ${gateway.address} did not answer by UPnP within ${SEARCH_MS} ms`)
          : elsewhere(gateway, useless),
      ),
    );
  });
}

/** Where each answer of the gateway leads; empty where it does not say. */
function location$(
  discovery: { create(): natUpnp.Ssdp },
  { gateway, localAddress, scheduler }: SearchConfig,
): Observable<string> {
  const isIpv4 = familyOf(gateway.address) === 4;
  return new Observable((subscriber) => {
    const ssdp = createSsdp(discovery);
    // The package has a socket on each address of this machine. Only one of them reaches the gateway.
    const idle = ssdp.sockets.splice(0);
    const socket = ssdp.createSocket({ family: isIpv4 ? 'IPv4' : 'IPv6', address: localAddress });
    ssdp.sockets.push(socket);
    // A socket that cannot send is treated like one that gets no answer.
    for (const each of [...idle, socket]) each.on('error', noop);
    const parse = ssdp.parseResponse.bind(ssdp);
    let answers = 0;
    ssdp.parseResponse = (text, ours, remote) => {
      const address = canonicalAddress(withoutZone(remote.address));
      if (address !== gateway.address || text.length > MAX_BYTES || ++answers > MAX_ANSWERS) return;
      parse(linesOf(text).join('\r\n'), ours, remote);
    };
    // Does not check the search target: some gateways answer with another.
    ssdp.on('_device', ({ location = '' }: { readonly location?: string }) => {
      subscriber.next(location);
    });
    let rounds = 0;
    socket.on('listening', () => {
      // The package would wait for the unused sockets, too, and then send everything to one destination.
      ssdp._bound = true;
      const sent = retransmit(() => {
        const targets = rounds++ === 0 ? [TARGET] : [TARGET, ...OTHER_TARGETS];
        for (const destination of isIpv4 ? [MULTICAST, gateway.host] : [gateway.host]) {
          // Of an idle one that fails, as each does at a link-local address, it takes the last of its list off it.
          ssdp.sockets.splice(0, Infinity, socket);
          ssdp.multicast = destination;
          for (const target of targets) ssdp.search(target).emit('end');
        }
      }, scheduler);
      subscriber.add(sent);
    });
    return () => {
      // The package binds its sockets in the next tick, so they must not be changed before.
      process.nextTick(() => {
        for (const each of [...idle, socket]) each.close();
      });
    };
  });
}

/** It asks the system for all interfaces of this machine, which not every system allows. */
function createSsdp(discovery: { create(): natUpnp.Ssdp }): natUpnp.Ssdp {
  try {
    return discovery.create();
  } catch (cause) {
    throw new PortMappingError(`UPnP gateways cannot be searched for here: ${reasonOf(cause)}`, undefined, { cause });
  }
}

/** The first line, and those that are headers: the package takes quadratic time to read others. */
function linesOf(text: string): readonly string[] {
  const [first = '', ...headers] = text.split('\r\n');
  return [first.slice(0, MAX_FIRST_LENGTH), ...headers.filter((line) => /^[\w.-]+:[^\r\n]*$/.test(line))];
}

/**
 * Whether a URL of a gateway's leads to it. Of IPv6 it may name any of its addresses; only the path and the port of it are
 * used.
 */
export function leadsTo(gateway: Gateway, { protocol, hostname }: URL): boolean {
  if (protocol !== 'http:') return false;
  return familyOf(gateway.address) === 6 || hostname === gateway.address;
}

/** The error for a URL that leads elsewhere. */
export function elsewhere(gateway: Gateway, url: string): PortMappingError {
  return new PortMappingError(`The gateway ${gateway.address} answered by UPnP, but pointed elsewhere: ${show(url)}`);
}
