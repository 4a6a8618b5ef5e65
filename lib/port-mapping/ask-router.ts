import { catchError, defer, map, merge, of, scan, startWith, type Observable } from 'rxjs';
import type { PortMappingProtocol } from '../config.js';
import { familyOf } from '../endpoint.js';
import { PortMappingError, reasonOf, TimeoutError, UnavailableError } from '../errors.js';
import type { GatewayQuestion, PortMapper } from './mapper.js';
import { PORT_MAPPERS } from './open-port.js';

/** The result of NAT-PMP (RFC 6886 §3.5) and PCP (RFC 6887 §7.4) by which a router says that it speaks the other of the two alone. */
const UNSUPPORTED_VERSION = 1;

/** How a router answers by one protocol that opens ports. */
export interface ProtocolCheck {
  /** The protocol. */
  readonly protocol: PortMappingProtocol;
  /**
   * `answers`: it speaks the protocol, which does not mean yet that it opens a port. `refuses`: it answers, but not as it should. `silent`: no answer
   * has come in time. `closed`: nothing speaks the protocol there, or this machine cannot ask by it.
   */
  readonly state: 'answers' | 'refuses' | 'silent' | 'closed';
  /** Its address outside, as it says by this protocol; that need not be true. */
  readonly external: string | undefined;
  /** Why it does not answer, in words. */
  readonly reason: string | undefined;
}

/** What the router of a family of addresses says of itself. */
export interface RouterCheck {
  /** The family of addresses: IPv4 or IPv6. */
  readonly family: 4 | 6;
  /** Its address on the local network. */
  readonly gateway: string;
  /** What it calls itself by UPnP, its model included; `undefined` where it does not say. */
  readonly name: string | undefined;
  /** Each protocol by which it has answered, or not in time: all of them in the end. */
  readonly protocols: readonly ProtocolCheck[];
}

/** An answer by one protocol, and the router's name. */
interface Answered {
  readonly check: ProtocolCheck;
  readonly name?: string | undefined;
}

/**
 * Asks a gateway by each of some protocols, side by side, whether it speaks them. Opens no port, and leaves nothing behind. Emits at once, again with
 * each answer or silence, and completes. Never fails.
 *
 * @example
 * askRouter$({ gateway, internal: { address: '192.168.1.7', port: 50500 }, scheduler }, ['upnp', 'pcp']).subscribe(({ name }) => console.log(name));
 */
export function askRouter$(question: GatewayQuestion, names: readonly PortMappingProtocol[]): Observable<RouterCheck> {
  return defer(() => {
    const family = familyOf(question.internal.address);
    const asked = PORT_MAPPERS.filter(({ name, families }) => names.includes(name) && families.includes(family));
    const none: RouterCheck = { family, gateway: question.gateway.address, name: undefined, protocols: [] };
    return merge(...asked.map((mapper) => answered$(mapper, question))).pipe(
      scan(
        (router, { check, name }) => ({
          ...router,
          name: router.name ?? name,
          protocols: [...router.protocols, check].toSorted((one, other) => rankOf(one) - rankOf(other)),
        }),
        none,
      ),
      startWith(none),
    );
  });
}

function answered$({ name: protocol, ask$ }: PortMapper, question: GatewayQuestion): Observable<Answered> {
  const once$ = defer(() => ask$(question));
  return once$.pipe(
    // While this process is busy, as when it starts, time runs out although the answer is there to be read: so silence is believed the second time.
    catchError((error: unknown) => {
      if (error instanceof TimeoutError) return once$;
      throw error;
    }),
    map(({ external, name, failure }): Answered => {
      const check: ProtocolCheck =
        failure === undefined
          ? { protocol, state: 'answers', external, reason: undefined }
          : { protocol, state: 'refuses', external, reason: reasonOf(failure) };
      return { check, name };
    }),
    catchError((error: unknown) =>
      of<Answered>({
        check: { protocol, state: stateOf(error, protocol), external: undefined, reason: reasonOf(error) },
      }),
    ),
  );
}

/** The order of answers says nothing. */
function rankOf({ protocol }: ProtocolCheck): number {
  return PORT_MAPPERS.findIndex(({ name }) => name === protocol);
}

function stateOf(error: unknown, protocol: PortMappingProtocol): ProtocolCheck['state'] {
  if (error instanceof TimeoutError) return 'silent';
  // The package that speaks the protocol is not installed, so that nobody was asked.
  if (error instanceof UnavailableError) return 'closed';
  if (!(error instanceof PortMappingError)) return 'refuses';
  const isUnspoken = protocol !== 'upnp' && error.refusal === UNSUPPORTED_VERSION;
  return error.refusal === undefined || isUnspoken ? 'closed' : 'refuses';
}
