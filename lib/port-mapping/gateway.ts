import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { catchError, concat, defer, EMPTY, filter, map, mergeMap, Observable, of, take } from 'rxjs';
import { canonicalAddress, familyOf, withoutZone } from '../endpoint.js';
import { PortMappingError } from '../errors.js';
import { defaultRouteIn, ROUTES_FILE, type NextHop } from './routes.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import { loadDefaultGateway } from '../packages.js';

/** The router that this machine's packets to the rest of the world go through. */
export interface Gateway {
  /** Its address on the local network. */
  readonly address: string;
  /** The address as a socket needs it: a link-local one with its interface (RFC 4007 §11). */
  readonly host: string;
}

/**
 * Finds the default gateway of a family. Emits it and completes; completes alone where there is none, or no way to tell.
 *
 * @example
 * defaultGateway$(4).subscribe(({ address }) => console.log(address)); // 192.168.1.1
 */
export function defaultGateway$(family: 4 | 6): Observable<Gateway> {
  return concat(routeOf$(family), routeByProgram$(family)).pipe(
    take(1),
    mergeMap(({ gateway, int }) => {
      const address = canonicalAddress(gateway);
      if (address === undefined || familyOf(address) !== family) return EMPTY;
      const isLinkLocal = address.startsWith('fe80:');
      return of({ address, host: isLinkLocal && int !== null ? `${address}%${int}` : address });
    }),
    catchError(() => EMPTY),
  );
}

/** From Linux' table of routes, which needs no program. Completes alone elsewhere, and where there is none in it. */
function routeOf$(family: 4 | 6): Observable<NextHop> {
  return defer(() => readFile(ROUTES_FILE[family], 'latin1')).pipe(
    map((text) => defaultRouteIn(family, text)),
    filter((route) => route !== undefined),
    ignoreErrors(),
  );
}

/** From the system's own program for routes. */
function routeByProgram$(family: 4 | 6): Observable<{ readonly gateway: string; readonly int: string | null }> {
  return defer(loadDefaultGateway).pipe(
    mergeMap(({ gateway4async, gateway6async }) => (family === 4 ? gateway4async() : gateway6async())),
  );
}

/**
 * Finds the local address from which packets to a host leave: asks the system's routing table by connecting a UDP socket,
 * which sends nothing.
 *
 * @throws PortMappingError when there is no route.
 *
 * @example
 * localAddressTo$('192.168.1.1').subscribe((address) => console.log(address)); // 192.168.1.7
 */
export function localAddressTo$(host: string): Observable<string> {
  return new Observable<string>((subscriber) => {
    const socket = createSocket(familyOf(host) === 4 ? 'udp4' : 'udp6');
    socket.on('error', (cause) => {
      subscriber.error(
        new PortMappingError(`There is no route to the gateway ${host}: ${cause.message}`, undefined, { cause }),
      );
    });
    // An event, since a callback would be called in a failure, too.
    socket.on('connect', () => {
      subscriber.next(socket.address().address);
      subscriber.complete();
    });
    socket.connect(9, host);
    return () => {
      socket.close();
    };
  }).pipe(map((address) => canonicalAddress(withoutZone(address)) ?? address));
}

/** Documentation addresses (RFC 5737, RFC 3849), which no host has: the route to them is the default route. */
const WORLD = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;

/**
 * Finds the local address that the default route of a family leads from, which sends nothing. Emits it and completes; completes
 * alone where there is no such route.
 *
 * @example
 * routedAddress$(4).subscribe((address) => console.log(address)); // 192.168.1.7
 */
export function routedAddress$(family: 4 | 6): Observable<string> {
  return localAddressTo$(WORLD[family]).pipe(ignoreErrors());
}
