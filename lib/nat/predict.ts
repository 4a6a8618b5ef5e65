import type { NatType } from '../unl/types.js';

/** The most ports predicted: room for as many mappings less one that others make between the observation and the use. */
export const MAX_PREDICTIONS = 8;

/** Where a server saw a local port a moment ago. */
interface PortObservation {
  readonly localPort: number;
  /** `undefined` when it was not looked at. */
  readonly observedPort: number | undefined;
  /** Mappings that are known to have been made since. Default: none. */
  readonly madeSince?: number | undefined;
}

/**
 * Where NATs begin again after port 65535: below are the well-known ports, and a local port above those gets one above them
 * (RFC 4787 §4.2.1, REQ-3).
 */
const FIRST_PORT = 1024;
const LAST_PORT = 65535;
const PORTS = LAST_PORT - FIRST_PORT + 1;

/**
 * The external ports that a NAT will use next, the likeliest first and at most {@link MAX_PREDICTIONS}. Pure.
 *
 * Where ports are kept, or are the same for every destination, they are those of the observed local port itself, so that
 * the SYNs must leave from there. Of a delta NAT they are those of the next mappings, whichever local ports they are of:
 * the observation must be fresh, since every mapping made by anybody in between takes one. Of a random NAT there are none,
 * nor where an observation is needed and there is none.
 *
 * @example
 * predictPorts({ type: 'delta', delta: 3 }, { localPort: 4000, observedPort: 9000 }).slice(0, 3); // [9003, 9006, 9009]
 */
export function predictPorts(
  natType: NatType,
  { localPort, observedPort, madeSince = 0 }: PortObservation,
): readonly number[] {
  switch (natType.type) {
    case 'open':
    case 'preserving':
    case 'unknown':
      // A port that is taken towards one server may be free towards the peer (port overloading, RFC 5382 REQ-7).
      return [...new Set([observedPort ?? localPort, localPort])];
    case 'reuse':
      return observedPort === undefined ? [] : [observedPort];
    case 'delta': {
      if (observedPort === undefined) return [];
      const next = Array.from(
        { length: MAX_PREDICTIONS },
        (_, i) => observedPort + (madeSince + i + 1) * natType.delta,
      );
      return [...new Set(next.map(wrapped))];
    }
    case 'random':
      return [];
  }
}

/** A port past either end of the range comes in again at the other. */
function wrapped(port: number): number {
  if (port > LAST_PORT) return FIRST_PORT + ((port - LAST_PORT - 1) % PORTS);
  return port < 1 ? LAST_PORT - (-port % PORTS) : port;
}
