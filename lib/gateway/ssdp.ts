import type natUpnp from 'nat-upnp';
import { from, noop, Observable, switchMap, take, type SchedulerLike } from 'rxjs';
import { canonicalAddress, familyOf, withoutZone } from '../endpoint.js';
import { PortMappingError } from '../errors.js';
import type { Gateway } from '../gateway.js';
import { within } from '../operators/within.js';
import { loadNatUpnp } from '../packages.js';
import { show } from '../validate.js';
import { ANSWER_MS } from './ask.js';
import { retransmit } from './retransmit.js';

/** What is searched for: a gateway of version 2 answers to version 1, too (UPnP Device Architecture 1.1 §1.3.2). */
const TARGET = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1';

/** Where searches are heard (UPnP Device Architecture 1.1 §1.3). */
const MULTICAST = '239.255.255.250';

/** Answers are a few headers; the package's way of reading them takes quadratic time. */
const MAX_BYTES = 2_048;

/** What to search for a gateway with. */
export interface SearchConfig {
  readonly gateway: Gateway;
  /** The local address that leads to the gateway. */
  readonly localAddress: string;
  readonly scheduler: SchedulerLike;
}

/**
 * Searches for the description of a UPnP gateway: by multicast, and by asking the default gateway itself, since some
 * answer only one of them. Emits its URL and completes. Anybody on the LAN may answer a search; what is not from the
 * default gateway, or leads elsewhere, does not count.
 *
 * @throws PortMappingError when the gateway's answer leads elsewhere; TimeoutError when it gives none.
 */
export function search$(config: SearchConfig): Observable<URL> {
  const { gateway, scheduler } = config;
  return from(loadNatUpnp()).pipe(
    switchMap(({ ssdp }) => description$(ssdp, config)),
    take(1),
    within(ANSWER_MS, `The gateway ${gateway.address} did not answer by UPnP`, scheduler),
  );
}

function description$(
  discovery: { create(): natUpnp.Ssdp },
  { gateway, localAddress, scheduler }: SearchConfig,
): Observable<URL> {
  const isIpv4 = familyOf(gateway.address) === 4;
  return new Observable((subscriber) => {
    const ssdp = discovery.create();
    // It has a socket on each address of this machine; only one of them leads to the gateway.
    const idle = ssdp.sockets.splice(0);
    const socket = ssdp.createSocket({ family: isIpv4 ? 'IPv4' : 'IPv6', address: localAddress });
    ssdp.sockets.push(socket);
    // One that cannot send is as good as one that gets no answer.
    for (const each of [...idle, socket]) each.on('error', noop);
    const parse = ssdp.parseResponse.bind(ssdp);
    ssdp.parseResponse = (text, ours, remote) => {
      const address = canonicalAddress(withoutZone(remote.address));
      if (address === gateway.address && text.length <= MAX_BYTES) parse(text, ours, remote);
    };
    const onDevice = ({ location = '' }: { readonly location?: string }) => {
      const url = URL.canParse(location) ? new URL(location) : undefined;
      if (url !== undefined && leadsTo(gateway, url)) subscriber.next(url);
      else subscriber.error(elsewhere(gateway, location));
    };
    socket.on('listening', () => {
      // It would count the idle ones, too, and send what waits for all of them to one destination.
      ssdp._bound = true;
      const sent = retransmit(() => {
        for (const destination of isIpv4 ? [MULTICAST, gateway.host] : [gateway.host]) {
          // Of an idle one that fails, as each does at a link-local address, it takes the last of its list off it.
          ssdp.sockets.splice(0, Infinity, socket);
          ssdp.multicast = destination;
          ssdp.search(TARGET).on('device', onDevice);
        }
      }, scheduler);
      subscriber.add(sent);
    });
    return () => {
      // It binds them in the next tick, and must find them as it left them.
      process.nextTick(() => {
        for (const each of [...idle, socket]) each.close();
      });
    };
  });
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
