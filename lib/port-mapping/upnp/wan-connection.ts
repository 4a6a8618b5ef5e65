import { catchError, map, of, type Observable } from 'rxjs';
import { isPort } from '../../endpoint.js';
import { HttpError, PortMappingError } from '../../errors.js';
import { addressOf, valueOf, type Service } from './igd.js';
import { textOf } from './xml.js';

// The actions of the services that translate addresses: WANIPConnection:1 and :2, WANPPPConnection:1.

/** Why an action is refused (WANIPConnection:2 §2.5.25, UPnP Device Architecture 1.1 §3.2.2). */
export const REFUSAL = {
  invalidAction: 401,
  invalidArguments: 402,
  notImplemented: 602,
  noSuchEntry: 714,
  conflict: 718,
  samePortsRequired: 724,
  permanentOnly: 725,
  conflictWithOtherMechanism: 729,
} as const;

/** An entry in a gateway's table of mappings. */
export interface TableEntry {
  readonly client: string;
  /** NaN where it does not say. */
  readonly internalPort: number;
  /** NaN where it does not say. */
  readonly leaseSeconds: number;
}

/** An entry to add. */
interface NewTableEntry {
  readonly externalPort: number;
  readonly client: string;
  readonly internalPort: number;
  /** 0 for good. */
  readonly leaseSeconds: number;
  /** What the gateway's administrator reads. */
  readonly description: string;
}

/** The code that a gateway refused with, if that is what an error says. */
export function refusalOf(error: unknown): number | undefined {
  return error instanceof PortMappingError ? error.refusal : undefined;
}

/** The address that a service translates to; 0.0.0.0 where it is not connected. */
export function externalAddress$(service: Service): Observable<string> {
  return service.call$('GetExternalIPAddress').pipe(map((values) => addressOf(values, 'NewExternalIPAddress')));
}

/** Whether a service is connected to the internet, as far as it says. */
export function isConnected$(service: Service): Observable<boolean> {
  return service.call$('GetStatusInfo').pipe(
    map((values) => /^(?:Connected|Up)$/i.test(textOf(values, 'NewConnectionStatus') ?? 'Connected')),
    catchError(() => of(true)),
  );
}

/**
 * What stands in the gateway's table for an external port; `undefined` where it does not let anybody look.
 *
 * @throws PortMappingError with `refusal` 714 when nothing does.
 */
export function entry$(service: Service, externalPort: number): Observable<TableEntry | undefined> {
  return service.call$('GetSpecificPortMappingEntry', keyOf(externalPort)).pipe(
    map((values) => ({
      client: addressOf(values, 'NewInternalClient'),
      internalPort: Number(textOf(values, 'NewInternalPort')),
      leaseSeconds: Number(textOf(values, 'NewLeaseDuration')),
    })),
    catchError((error: unknown) => {
      if (refusalOf(error) === REFUSAL.noSuchEntry) throw error;
      return of(undefined);
    }),
  );
}

/** Adds an entry, or gives it more time. Emits its external port and completes. */
export function add$(service: Service, entry: NewTableEntry): Observable<number> {
  return service.call$('AddPortMapping', argumentsOf(entry)).pipe(map(() => entry.externalPort));
}

/** Adds an entry at an external port that the gateway chooses, the one that is wanted if it is free. Only version 2 can. */
export function addAny$(service: Service, entry: NewTableEntry): Observable<number> {
  return service.call$('AddAnyPortMapping', argumentsOf(entry)).pipe(
    map((values) => {
      const port = Number(valueOf(values, 'NewReservedPort'));
      if (!isPort(port)) throw new HttpError(`Expected NewReservedPort to be a port, got ${port}`);
      return port;
    }),
    catchError((error: unknown) => {
      const refusal = refusalOf(error);
      if (refusal === REFUSAL.invalidAction || refusal === REFUSAL.notImplemented) return add$(service, entry);
      throw error;
    }),
  );
}

/** Deletes an entry. */
export function delete$(service: Service, externalPort: number): Observable<unknown> {
  return service.call$('DeletePortMapping', keyOf(externalPort));
}

/** The arguments of both ways to add in the order of WANIPConnection:1 §2.4.16. */
function argumentsOf(entry: NewTableEntry): Readonly<Record<string, string | number>> {
  return {
    ...keyOf(entry.externalPort),
    NewInternalPort: entry.internalPort,
    NewInternalClient: entry.client,
    NewEnabled: 1,
    NewPortMappingDescription: entry.description,
    NewLeaseDuration: entry.leaseSeconds,
  };
}

/** The key of an entry. */
function keyOf(externalPort: number): Readonly<Record<string, string | number>> {
  return { NewRemoteHost: '', NewExternalPort: externalPort, NewProtocol: 'TCP' };
}
