import { networkInterfaces } from 'node:os';
import { filter, take, type Observable } from 'rxjs';
import { canonicalAddress, familyOf, scopeOf } from '../endpoint.js';
import { reasonOf } from '../errors.js';

/** A machine's interfaces by their names. */
export type Interfaces = ReturnType<typeof networkInterfaces>;

/** What is known of this machine's interfaces. */
export interface KnownInterfaces {
  /** `undefined` if the system has never told them. */
  readonly interfaces: Interfaces | undefined;
  /** Why the system does not tell them at the moment, if it does not. */
  readonly failure: string | undefined;
}

/** What the system has told is right for so long, in milliseconds: it takes half a millisecond to tell, and a process may have many nodes that ask. */
const TELLS_EVERY_MS = 100;

/**
 * Makes a function that reads the interfaces. When the system does not tell them, it returns what the system told last: Android never
 * tells them to programs, and Linux does not tell them to a process that is out of descriptors.
 *
 * @param read throws when the system does not tell them.
 * @param now a clock in milliseconds, which never jumps.
 *
 * @example
 * const { interfaces, failure } = interfaceReader(networkInterfaces)();
 */
export function interfaceReader(read: () => Interfaces, now = () => performance.now()): () => KnownInterfaces {
  let known: KnownInterfaces = { interfaces: undefined, failure: undefined };
  let toldAt = -Infinity;
  return () => {
    if (now() < toldAt + TELLS_EVERY_MS) return known;
    toldAt = now();
    try {
      known = { interfaces: read(), failure: undefined };
    } catch (error) {
      known = { interfaces: known.interfaces, failure: reasonOf(error) };
    }
    return known;
  };
}

/** This machine's interfaces. Use this instead of `networkInterfaces`, which may throw. */
export const ownInterfaces = interfaceReader(networkInterfaces);

/**
 * Whether an interface of this machine that is up has this address. A socket bound to an address that is gone does not work any more,
 * but the system reports no error. True for every loopback address, and for every address if the system does not tell its interfaces.
 *
 * @example
 * isOurs('192.168.1.7', ownInterfaces().interfaces);
 */
export function isOurs(address: string, interfaces: Interfaces | undefined): boolean {
  const scope = scopeOf(address);
  if (scope === 'loopback' || scope === 'unusable' || interfaces === undefined) return true;
  return Object.values(interfaces).some((entries) =>
    entries?.some((entry) => canonicalAddress(entry.address) === address),
  );
}

/**
 * The addresses of this machine's interfaces, without their zones, IPv4 first; `undefined` if the system does not tell its interfaces. Pure if
 * `interfaces` is passed.
 *
 * @example
 * ownAddresses({}); // []
 */
export function ownAddresses(interfaces = ownInterfaces().interfaces): readonly string[] | undefined {
  return (
    interfaces &&
    Object.values(interfaces)
      .flatMap((list) => list ?? [])
      .flatMap((entry) => canonicalAddress(entry.address) ?? [])
      .toSorted((a, b) => familyOf(a) - familyOf(b))
  );
}

/**
 * Of the addresses of one machine that by which most others reach it: a public one, else a private one, else one of its loopback; the first
 * of several alike. `undefined` where there is none of these. Pure.
 *
 * @example
 * mostReachable(['127.0.0.1', '192.168.1.7']); // '192.168.1.7'
 */
export function mostReachable(addresses: readonly string[]): string | undefined {
  return (['global', 'private', 'loopback'] as const)
    .map((scope) => addresses.find((address) => scopeOf(address) === scope))
    .find((address) => address !== undefined);
}

/**
 * Emits once when a local address is not this machine's any more, and completes.
 *
 * @param look$ what each look at the interfaces has shown: all who wait share it, since the system takes its time to tell.
 *
 * @example
 * addressGone$('192.168.1.7', interval(500).pipe(map(ownInterfaces))).subscribe(() => socket.destroy());
 */
export function addressGone$(
  address: string,
  look$: Observable<Pick<KnownInterfaces, 'interfaces'>>,
): Observable<unknown> {
  return look$.pipe(
    filter(({ interfaces }) => !isOurs(address, interfaces)),
    take(1),
  );
}
