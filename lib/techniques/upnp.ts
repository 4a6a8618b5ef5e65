import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  exhaustMap,
  filter,
  map,
  of,
  switchMap,
  take,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import type { Timing } from '../config.js';
import { familyOf, isPort, scopeOf, type Endpoint } from '../endpoint.js';
import { HttpError, PortMappingError } from '../errors.js';
import { addressOf, services$, valueOf, type Service } from '../gateway/igd.js';
import { textOf } from '../gateway/soap.js';
import type { Mapping } from '../gateway/mapping.js';
import { holdLease$ } from '../operators/hold-lease.js';
import { untroubled } from '../operators/untroubled.js';
import type { PortMapper, PortRequest } from './technique.js';

/** What the gateway's administrator reads in its table of mappings. */
const DESCRIPTION = 'rxp2p';

/** So many external ports are tried where others have taken them. */
const MAX_TRIES = 4;

/** The first port that is not reserved for the services of a host. */
const FIRST_PORT = 1024;

/** TCP's number at IANA. */
const TCP = 6;

/** Errors of the services (WANIPConnection:2 §2.5.25, UPnP Device Architecture 1.1 §3.2.2). */
const INVALID_ACTION = 401;
const NOT_IMPLEMENTED = 602;
const NO_SUCH_ENTRY = 714;
const CONFLICT = 718;
const SAME_PORTS_REQUIRED = 724;
const PERMANENT_ONLY = 725;

/** The external port that is wanted, and whether only for a time. */
interface Wish {
  readonly port: number;
  readonly isFinite: boolean;
}

/** What stands in a gateway's table of mappings. */
interface Entry {
  readonly client: string;
  /** NaN where it does not say. */
  readonly internalPort: number;
  /** NaN where it does not say. */
  readonly leaseSeconds: number;
}

/** A way through an IPv6 firewall, by the name that the gateway gave it. */
interface Pinhole extends Mapping {
  readonly uniqueId: string;
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
            familyOf(request.internal.address) === 4 ? mapping$(services, request) : pinhole$(services[0], request),
          ),
        ),
      ),
    ),
};

/** A service, and the external address that it translates to. */
interface Translator {
  readonly service: Service;
  readonly address: string;
}

function mapping$(services: readonly Service[], request: PortRequest): Observable<Mapping> {
  return translator$(services).pipe(
    switchMap(({ service, address }) =>
      request.turn(
        holdLease$({
          ...request,
          ask$: (held: Mapping | undefined) => map$(service, request, address, held),
          lost$: (held) => lost$(service, request, held),
          release$: ({ external }) => service.call$('DeletePortMapping', keyOf(external.port)),
          takeBack$: takeBack$(service, request),
        }),
      ),
    ),
  );
}

/** Of a gateway with several ways to the internet the one that is connected; where none says so, the best. */
function translator$(services: readonly Service[]): Observable<Translator> {
  const translators = services.map((service) =>
    externalAddress$(service).pipe(map((address) => ({ service, address }))),
  );
  const connected = translators.map((translator$) =>
    translator$.pipe(
      filter(({ address }) => scopeOf(address) !== 'unusable'),
      untroubled(),
    ),
  );
  return concat(...connected, translators[0] ?? EMPTY).pipe(take(1));
}

function externalAddress$(service: Service): Observable<string> {
  return service.call$('GetExternalIPAddress').pipe(map((values) => addressOf(values, 'NewExternalIPAddress')));
}

/** Asks for the mapping, or for more time of it; then looks in the gateway's table what has become of it. */
function map$(service: Service, request: PortRequest, address: string, held: Mapping | undefined): Observable<Mapping> {
  const { gateway, internal, timing } = request;
  const wish = { port: held?.external.port ?? internal.port, isFinite: held?.lifetimeMs !== Infinity };
  // A renewal may find another external address.
  const address$ = held === undefined ? of(address) : externalAddress$(service);
  return address$.pipe(
    switchMap((external) =>
      add$(service, request, wish, held !== undefined, MAX_TRIES).pipe(
        switchMap(({ port, isFinite }) =>
          entry$(service, port).pipe(
            map((entry): Mapping => {
              if (entry !== undefined && !isFor(entry, internal)) {
                throw new PortMappingError(
                  `The gateway ${gateway.address} leads port ${port} to ${entry.client}, not here`,
                  CONFLICT,
                );
              }
              return {
                protocol: 'upnp',
                gateway: gateway.address,
                internal,
                external: { address: external, port },
                lifetimeMs: lifetimeOf(entry, isFinite, timing),
              };
            }),
          ),
        ),
      ),
    ),
  );
}

/** Adds the mapping, in the way and at the port that the gateway agrees to. Emits what it has agreed to. */
function add$(service: Service, request: PortRequest, wish: Wish, isRenewal: boolean, tries: number): Observable<Wish> {
  const again = (next: Wish) => add$(service, request, next, isRenewal, tries - 1);
  // Version 2 chooses a port that is free by itself.
  const add = service.type.endsWith(':2') && !isRenewal ? addAny$ : addThis$;
  const free$ = isRenewal ? of(undefined) : expectFree$(service, request, wish.port);
  return free$.pipe(
    switchMap(() => add(service, request, wish)),
    catchError((error: unknown) => {
      const refusal = error instanceof PortMappingError ? error.refusal : undefined;
      const { internal, random } = request;
      if (tries <= 1) throw error;
      if (refusal === PERMANENT_ONLY && wish.isFinite) return again({ ...wish, isFinite: false });
      if (refusal === SAME_PORTS_REQUIRED && wish.port !== internal.port)
        return again({ ...wish, port: internal.port });
      if (refusal === CONFLICT)
        return again({ ...wish, port: FIRST_PORT + Math.floor(random() * (65536 - FIRST_PORT)) });
      throw error;
    }),
  );
}

function addAny$(service: Service, request: PortRequest, wish: Wish): Observable<Wish> {
  return service.call$('AddAnyPortMapping', entryOf(request, wish)).pipe(
    map((values) => {
      const port = Number(valueOf(values, 'NewReservedPort'));
      if (!isPort(port)) throw new HttpError(`Expected NewReservedPort to be a port, got ${port}`);
      return { ...wish, port };
    }),
    catchError((error: unknown) => {
      const refusal = error instanceof PortMappingError ? error.refusal : undefined;
      if (refusal === INVALID_ACTION || refusal === NOT_IMPLEMENTED) return addThis$(service, request, wish);
      throw error;
    }),
  );
}

/** Fails when the external port leads elsewhere: some gateways would not refuse, but take it from whoever has it. */
function expectFree$(service: Service, { gateway, internal }: PortRequest, port: number): Observable<unknown> {
  return entry$(service, port).pipe(
    catchError(() => of(undefined)),
    tap((entry) => {
      if (entry === undefined || isFor(entry, internal)) return;
      throw new PortMappingError(
        `The gateway ${gateway.address} leads port ${port} to ${entry.client}, not here`,
        CONFLICT,
      );
    }),
  );
}

/** Deletes the mapping that was asked for, if it is there and leads here. */
function takeBack$(service: Service, { internal }: PortRequest): Observable<unknown> {
  return entry$(service, internal.port).pipe(
    filter((entry) => entry !== undefined && isFor(entry, internal)),
    switchMap(() => service.call$('DeletePortMapping', keyOf(internal.port))),
  );
}

function isFor({ client, internalPort }: Entry, internal: Endpoint): boolean {
  return client === internal.address && (internalPort === internal.port || Number.isNaN(internalPort));
}

function addThis$(service: Service, request: PortRequest, wish: Wish): Observable<Wish> {
  return service.call$('AddPortMapping', entryOf(request, wish)).pipe(map(() => wish));
}

/** The arguments of both in the order of WANIPConnection:1 §2.4.16. */
function entryOf(
  { internal, timing }: PortRequest,
  { port, isFinite }: Wish,
): Readonly<Record<string, string | number>> {
  return {
    ...keyOf(port),
    NewInternalPort: internal.port,
    NewInternalClient: internal.address,
    NewEnabled: 1,
    NewPortMappingDescription: DESCRIPTION,
    NewLeaseDuration: isFinite ? Math.ceil(timing.mappingMs / 1000) : 0,
  };
}

/** What an entry of the gateway's table is known by. */
function keyOf(port: number): Readonly<Record<string, string | number>> {
  return { NewRemoteHost: '', NewExternalPort: port, NewProtocol: 'TCP' };
}

/** What stands in the gateway's table; `undefined` where it does not let anybody look. */
function entry$(service: Service, port: number): Observable<Entry | undefined> {
  return service.call$('GetSpecificPortMappingEntry', keyOf(port)).pipe(
    map((values) => ({
      client: addressOf(values, 'NewInternalClient'),
      internalPort: Number(textOf(values, 'NewInternalPort')),
      leaseSeconds: Number(textOf(values, 'NewLeaseDuration')),
    })),
    catchError((error: unknown) => {
      if (error instanceof PortMappingError && error.refusal === NO_SUCH_ENTRY) throw error;
      return of(undefined);
    }),
  );
}

/** For how long the mapping is granted: the gateway may have shortened it, and 0 is for good (WANIPConnection:1 §2.4.16). */
function lifetimeOf(entry: Entry | undefined, isFinite: boolean, timing: Timing): number {
  if (!isFinite || entry?.leaseSeconds === 0) return Infinity;
  const granted = (entry?.leaseSeconds ?? 0) * 1000;
  return granted > 0 ? Math.min(granted, timing.mappingMs) : timing.mappingMs;
}

/** Looks from time to time whether the gateway still has the mapping, and the address. */
function lost$(service: Service, request: PortRequest, { internal, external }: Mapping): Observable<unknown> {
  const isLost$ = externalAddress$(service).pipe(
    concatMap((address) =>
      address !== external.address
        ? of(true)
        : entry$(service, external.port).pipe(map((entry) => entry !== undefined && !isFor(entry, internal))),
    ),
    catchError((error: unknown) => of(error instanceof PortMappingError && error.refusal === NO_SUCH_ENTRY)),
  );
  return every(request).pipe(
    exhaustMap(() => isLost$),
    filter((isLost) => isLost),
  );
}

function pinhole$(service: Service, request: PortRequest): Observable<Mapping> {
  const { internal, timing } = request;
  const LeaseTime = Math.ceil(timing.mappingMs / 1000);
  const add$ = defer(() =>
    service.call$('AddPinhole', {
      RemoteHost: '',
      RemotePort: 0,
      InternalClient: internal.address,
      InternalPort: internal.port,
      Protocol: TCP,
      LeaseTime,
    }),
  ).pipe(map((values) => valueOf(values, 'UniqueID')));
  const update$ = (uniqueId: string) =>
    service.call$('UpdatePinhole', { UniqueID: uniqueId, NewLeaseTime: LeaseTime }).pipe(map(() => uniqueId));
  return request.turn(
    holdLease$({
      ...request,
      ask$: (held: Pinhole | undefined): Observable<Pinhole> =>
        // One that is gone is made anew.
        (held === undefined ? add$ : update$(held.uniqueId).pipe(catchError(() => add$))).pipe(
          map((uniqueId) => ({
            protocol: 'upnp',
            gateway: request.gateway.address,
            internal,
            external: internal,
            lifetimeMs: timing.mappingMs,
            uniqueId,
          })),
        ),
      lost$: ({ uniqueId }) =>
        every(request).pipe(
          exhaustMap(() => isGone$(service, uniqueId)),
          filter((isGone) => isGone),
        ),
      release$: ({ uniqueId }) => service.call$('DeletePinhole', { UniqueID: uniqueId }),
      // A pinhole has no other name than the one in the answer that did not come.
      takeBack$: EMPTY,
    }),
  );
}

/** Whether the gateway says that it knows no such pinhole. */
function isGone$(service: Service, uniqueId: string): Observable<boolean> {
  return service.call$('GetPinholePackets', { UniqueID: uniqueId }).pipe(
    map(() => false),
    catchError((error: unknown) => of(error instanceof PortMappingError && error.refusal === NO_SUCH_PINHOLE)),
    untroubled(),
  );
}

/** WANIPv6FirewallControl:1 §2.5.6. */
const NO_SUCH_PINHOLE = 704;

function every({ timing: { mappingCheckMs }, scheduler }: PortRequest): Observable<unknown> {
  return timer(mappingCheckMs, mappingCheckMs, scheduler);
}
