import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  EmptyError,
  exhaustMap,
  filter,
  map,
  of,
  switchMap,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import type { Timing } from '../config.js';
import { familyOf, scopeOf, type Endpoint } from '../endpoint.js';
import { PortMappingError } from '../errors.js';
import { services$, type Service } from './upnp/igd.js';
import type { Mapping } from './mapping.js';
import {
  add$,
  addAny$,
  delete$,
  entry$,
  externalAddress$,
  isConnected$,
  REFUSAL,
  refusalOf,
  type TableEntry,
} from './upnp/wan-connection.js';
import { firstInOrder } from '../operators/first-in-order.js';
import { holdLease$ } from './hold-lease.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import { pinhole$ } from './upnp/pinhole.js';
import type { GatewayAnswer, GatewayQuestion, PortMapper, PortRequest } from './mapper.js';

/** What the gateway's administrator reads in its table of mappings. */
const DESCRIPTION = 'rxp2p';

/** How many times a gateway is asked, with other arguments or for another external port. */
const MAX_TRIES = 4;

/** The first port that is not reserved for the services of a host. */
const FIRST_PORT = 1024;

/** The external port that is wanted, and whether only for a time. */
interface Wish {
  readonly port: number;
  readonly isFinite: boolean;
}

/** What the gateway has agreed to. */
interface Agreement extends Wish {
  /** The entry in its table afterwards; `undefined` if the gateway does not show it. */
  readonly entry: TableEntry | undefined;
}

/** A mapping in a gateway's table. */
interface TableMapping extends Mapping {
  /** Whether the gateway has shown the entry. Some gateways deny an entry that they have just added and that works. */
  readonly isListed: boolean;
}

/** A service, and the external address that it translates to. */
interface Translator {
  readonly service: Service;
  readonly address: string;
}

/** Asks the gateway by UPnP: for IPv4 a mapping (IGD:1 and IGD:2), for IPv6 a pinhole in its firewall (IGD:2). */
export const upnp: PortMapper = {
  name: 'upnp',
  families: [4, 6],
  open: (request$) =>
    request$.pipe(
      switchMap((request) =>
        services$({ ...request, localAddress: request.internal.address }).pipe(
          switchMap((services): Observable<Mapping> =>
            familyOf(request.internal.address) === 4
              ? mapping$(services, request)
              : firstInOrder(services.map((service) => pinhole$(service, request))),
          ),
        ),
      ),
    ),
  ask$: answer$,
};

/** Has it say its name, and of the first service that translates addresses to which. */
function answer$(question: GatewayQuestion): Observable<GatewayAnswer> {
  const { address } = question.internal;
  return services$({ ...question, localAddress: address }).pipe(
    switchMap((services): Observable<GatewayAnswer> => {
      const { router: name } = services[0];
      if (familyOf(address) === 6) return of({ name });
      // One that is not connected says 0.0.0.0: another may be.
      const externals = services.map((service) =>
        externalAddress$(service).pipe(filter((external) => scopeOf(external) !== 'unusable')),
      );
      return firstInOrder(externals).pipe(
        map((external) => ({ external, name })),
        catchError((failure: unknown) => of(failure instanceof EmptyError ? { name } : { name, failure })),
      );
    }),
  );
}

/** Tries the connected services of a gateway first, and the others only if none of those opens the port. */
function mapping$(services: readonly Service[], request: PortRequest): Observable<Mapping> {
  const unconnected: Translator[] = [];
  const connected = services.map((service) =>
    externalAddress$(service).pipe(
      switchMap((address) => {
        const isUp$ =
          scopeOf(address) === 'unusable' ? of(false) : services.length > 1 ? isConnected$(service) : of(true);
        return isUp$.pipe(map((isUp) => ({ service, address, isUp })));
      }),
      switchMap((translator) => {
        if (translator.isUp) return held$(translator, request);
        unconnected.push(translator);
        return EMPTY;
      }),
    ),
  );
  const others$ = defer(() => firstInOrder(unconnected.map((translator) => held$(translator, request))));
  return firstInOrder([...connected, others$]);
}

/** Has one service open the port, and holds the mapping. */
function held$({ service, address }: Translator, request: PortRequest): Observable<Mapping> {
  // The external ports that were asked for.
  const asked = new Set<number>();
  return request.turn(
    holdLease$({
      ...request,
      ask$: (held: TableMapping | undefined) => map$(service, request, address, held, asked),
      lost$: (held) => lost$(service, request, held),
      release$: ({ external }) => delete$(service, external.port),
      takeBack$: defer(() => concat(...[...asked].map((port) => takeBack$(service, request, port)))),
    }),
  );
}

/** Asks for the mapping, or for more time of it; then looks in the gateway's table what has become of it. */
function map$(
  service: Service,
  request: PortRequest,
  address: string,
  held: TableMapping | undefined,
  asked: Set<number>,
): Observable<TableMapping> {
  const { gateway, internal, timing } = request;
  const wish = { port: held?.external.port ?? internal.port, isFinite: held?.lifetimeMs !== Infinity };
  const agree = (next: Wish) => {
    asked.add(next.port);
    return agreed$(service, request, next, held !== undefined);
  };
  // A renewal may find another external address.
  const address$ = held === undefined ? of(address) : externalAddress$(service);
  return address$.pipe(
    switchMap((external) =>
      retried$(agree, wish, request, MAX_TRIES).pipe(
        map(({ port, isFinite, entry }): TableMapping => ({
          protocol: 'upnp',
          gateway: gateway.address,
          internal,
          external: { address: external, port },
          lifetimeMs: lifetimeOf(entry, isFinite, timing),
          isListed: entry !== undefined,
        })),
      ),
    ),
  );
}

/** After a refusal, asks again with arguments that the gateway may accept. */
function retried$(
  agree: (wish: Wish) => Observable<Agreement>,
  wish: Wish,
  request: PortRequest,
  tries: number,
): Observable<Agreement> {
  const { internal, random } = request;
  return agree(wish).pipe(
    catchError((error: unknown) => {
      const next = tries > 1 ? otherWish(refusalOf(error), wish, internal, random) : undefined;
      if (next === undefined) throw error;
      return retried$(agree, next, request, tries - 1);
    }),
  );
}

/** The next wish after a refusal, if there is one that the gateway may accept. */
function otherWish(
  refusal: number | undefined,
  wish: Wish,
  internal: Endpoint,
  random: () => number,
): Wish | undefined {
  switch (refusal) {
    // Some gateways that grant only permanent leases just report invalid arguments.
    case REFUSAL.permanentOnly:
    case REFUSAL.invalidArguments:
      return wish.isFinite ? { ...wish, isFinite: false } : undefined;
    case REFUSAL.samePortsRequired:
      return wish.port === internal.port ? undefined : { ...wish, port: internal.port };
    case REFUSAL.conflict:
    case REFUSAL.conflictWithOtherMechanism:
      return { ...wish, port: FIRST_PORT + Math.floor(random() * (65536 - FIRST_PORT)) };
    default:
      return undefined;
  }
}

/**
 * Checks that the port is free, adds the mapping and checks that it is there. Some gateways do not refuse a port that is taken,
 * but take it from its owner.
 */
function agreed$(
  service: Service,
  request: PortRequest,
  { port: wanted, isFinite }: Wish,
  isRenewal: boolean,
): Observable<Agreement> {
  const { internal, timing } = request;
  const entry = {
    externalPort: wanted,
    client: internal.address,
    internalPort: internal.port,
    leaseSeconds: isFinite ? Math.ceil(timing.mappingMs / 1000) : 0,
    description: DESCRIPTION,
  };
  const looked$ = (port: number) =>
    entry$(service, port).pipe(
      catchError(() => of(undefined)),
      tap((found) => {
        expectOurs(found, port, request);
      }),
    );
  const free$ = isRenewal ? of(undefined) : looked$(wanted);
  return free$.pipe(
    // Version 2 chooses a port that is free by itself.
    switchMap(() => (service.type.endsWith(':2') && !isRenewal ? addAny$ : add$)(service, entry)),
    switchMap((port) => looked$(port).pipe(map((found) => ({ port, isFinite, entry: found })))),
  );
}

/** Fails when an external port is mapped to another host. */
function expectOurs(entry: TableEntry | undefined, port: number, { gateway, internal }: PortRequest): void {
  if (entry === undefined || isFor(entry, internal)) return;
  throw new PortMappingError(
    `The gateway ${gateway.address} leads port ${port} to ${entry.client}, not here`,
    REFUSAL.conflict,
  );
}

/** Deletes the mapping at a port that was asked for, if it is there and leads here. */
function takeBack$(service: Service, { internal }: PortRequest, port: number): Observable<unknown> {
  return entry$(service, port).pipe(
    filter((entry) => entry !== undefined && isFor(entry, internal)),
    switchMap(() => delete$(service, port)),
    ignoreErrors(),
  );
}

function isFor({ client, internalPort }: TableEntry, internal: Endpoint): boolean {
  return client === internal.address && (internalPort === internal.port || Number.isNaN(internalPort));
}

/** For how long the mapping is granted: the gateway may have shortened it, and 0 is for good (WANIPConnection:1 §2.4.16). */
function lifetimeOf(entry: TableEntry | undefined, isFinite: boolean, timing: Timing): number {
  if (!isFinite || entry?.leaseSeconds === 0) return Infinity;
  const granted = (entry?.leaseSeconds ?? 0) * 1000;
  return granted > 0 ? Math.min(granted, timing.mappingMs) : timing.mappingMs;
}

/** Looks from time to time whether the gateway still has the mapping, and the address. */
function lost$(
  service: Service,
  request: PortRequest,
  { internal, external, isListed }: TableMapping,
): Observable<unknown> {
  const isLost$ = externalAddress$(service).pipe(
    concatMap((address) =>
      address !== external.address
        ? of(true)
        : entry$(service, external.port).pipe(map((entry) => entry !== undefined && !isFor(entry, internal))),
    ),
    catchError((error: unknown) => of(isListed && refusalOf(error) === REFUSAL.noSuchEntry)),
  );
  const { scheduler, timing } = request;
  return timer(timing.mappingCheckMs, timing.mappingCheckMs, scheduler).pipe(
    exhaustMap(() => isLost$),
    filter((isLost) => isLost),
  );
}
