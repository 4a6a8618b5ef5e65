import { networkInterfaces } from 'node:os';
import { filter, take, type Observable } from 'rxjs';
import { canonicalAddress, scopeOf } from '../endpoint.js';
import { reasonOf } from '../errors.js';

/** A machine's interfaces by their names. */
export type Interfaces = ReturnType<typeof networkInterfaces>;

/** What is known of this machine's interfaces. */
export interface KnownInterfaces {
  /** `undefined` where the system has never told. */
  readonly interfaces: Interfaces | undefined;
  /** Why the system does not tell at the moment, if it does not. */
  readonly failure: string | undefined;
}

/**
 * Makes a reader of interfaces that remembers: where the system does not tell, the result is what it told last. Android tells programs
 * nothing, and Linux nothing to a process that is out of descriptors.
 *
 * @param read throws where the system does not tell.
 *
 * @example
 * const { interfaces, failure } = interfaceReader(networkInterfaces)();
 */
export function interfaceReader(read: () => Interfaces): () => KnownInterfaces {
  let interfaces: Interfaces | undefined;
  return () => {
    try {
      interfaces = read();
      return { interfaces, failure: undefined };
    } catch (error) {
      return { interfaces, failure: reasonOf(error) };
    }
  };
}

/** This machine's interfaces. Use this in the place of `networkInterfaces`, which may throw. */
export const ownInterfaces = interfaceReader(networkInterfaces);

/**
 * Whether this machine has an address on an interface that is up: a socket that is bound to any other leads nowhere any more, and
 * nobody tells. Loopback is always there, with all of its addresses; and so is any address where the system tells of none.
 *
 * @example
 * isOurs('192.168.1.7');
 */
export function isOurs(address: string, interfaces = ownInterfaces().interfaces): boolean {
  const scope = scopeOf(address);
  if (scope === 'loopback' || scope === 'unusable' || interfaces === undefined) return true;
  return Object.values(interfaces).some((entries) =>
    entries?.some((entry) => canonicalAddress(entry.address) === address),
  );
}

/**
 * Emits once when a local address is not this machine's any more, and completes.
 *
 * @param look$ emits whenever it is to be looked at.
 *
 * @example
 * addressGone$('192.168.1.7', interval(500)).subscribe(() => socket.destroy());
 */
export function addressGone$(address: string, look$: Observable<unknown>): Observable<unknown> {
  return look$.pipe(
    filter(() => !isOurs(address)),
    take(1),
  );
}
