import type { Syn } from './syns.js';

// The birthday plan: a NAT with random ports is met by trying many ports at once (docs/decisions/004-birthday-punching.md).

/**
 * Mappings that the side with a random NAT makes. The birthday problem helps: of 64 512 ports 256 are right, and 2048 are tried,
 * so that 8 hit on average, and one round in 3000 hits none.
 */
export const BIRTHDAY_SOCKETS = 256;

/** Ports of the random NAT that the other side tries. */
export const BIRTHDAY_PROBES = 2_048;

/** SYNs sent at once in the birthday plan … */
const BIRTHDAY_BATCH = 64;

/** … and the time between two such batches, in milliseconds: 6400 SYNs a second, 3 Mbit/s, which home routers bear. */
const BIRTHDAY_BATCH_MS = 10;

/**
 * In the birthday plan one SYN is sent this much earlier, in milliseconds. If the peer's NAT filters endpoint-independently, it
 * opens within a usual round trip, and the hundreds of SYNs need not be sent.
 */
const BIRTHDAY_SCOUT_MS = 200;

/** The probes begin this much after the mappings, in milliseconds: the best value measured. */
const BIRTHDAY_PROBES_AFTER_MS = 150;

/**
 * Some routers allow only a few new flows a second (20 were seen) and drop the rest, for everybody behind them. So after a burst
 * without success, the probes leave at this rate, per second.
 */
const PACED_PROBES_PER_S = 12;

/** How long paced probes are sent, in milliseconds: with the mappings below, 97 of 100 such rounds hit. */
export const PACED_MS = 20_000;

/** Mappings that the side with a random NAT makes for paced probes, which are few. */
const PACED_SOCKETS = 1_024;

/**
 * A paced probe is given up before the kernel repeats its SYN after 1 s (RFC 6298 §2.1), since the router could count that as
 * another new flow.
 */
export const PACED_SYN_MS = 900;

/**
 * The first port that a random NAT may choose: it keeps 0 to 1023, the well-known ports, for local ports in that range (RFC 4787
 * §4.2.1, REQ-3).
 */
const FIRST_RANDOM_PORT = 1024;
const LAST_PORT = 65535;

/** How to plan with a random NAT. */
export interface BirthdayOptions {
  /** How many sockets may be open at once. */
  readonly maxSockets: number;
  /** Whether a burst has failed and the birthday plan is to be paced. Both sides know. Default: false. */
  readonly isPaced?: boolean | undefined;
  /** A number from 0 up to but not including 1. */
  readonly random: () => number;
}

/** The random side: many mappings towards one port, any of which the other may find. */
export function mappings(
  localPort: number,
  remotePort: number,
  { maxSockets, isPaced = false }: BirthdayOptions,
): Syn[] {
  const most = isPaced ? PACED_SOCKETS : BIRTHDAY_SOCKETS;
  const scout = { atMs: 0, localPort, remotePort };
  const others = Array.from({ length: Math.min(most, Math.max(1, maxSockets)) - 1 }, (_, i) => ({
    atMs: BIRTHDAY_SCOUT_MS + batchMs(i),
    localPort: undefined,
    remotePort,
  }));
  return [scout, ...others];
}

/** The other side: one mapping, towards many ports. */
export function probes(localPort: number, { maxSockets, random, isPaced = false }: BirthdayOptions): Syn[] {
  if (isPaced) {
    const everyMs = 1_000 / PACED_PROBES_PER_S;
    return randomPorts(Math.floor(PACED_MS / everyMs), random).map((remotePort, i) => ({
      atMs: Math.round(i * everyMs),
      localPort,
      remotePort,
    }));
  }
  const [scout = FIRST_RANDOM_PORT, ...others] = randomPorts(
    Math.min(BIRTHDAY_PROBES, Math.max(1, maxSockets)),
    random,
  );
  return [
    { atMs: 0, localPort, remotePort: scout },
    ...others.map((remotePort, i) => ({
      atMs: BIRTHDAY_SCOUT_MS + BIRTHDAY_PROBES_AFTER_MS + batchMs(i),
      localPort,
      remotePort,
    })),
  ];
}

function batchMs(index: number): number {
  return Math.floor(index / BIRTHDAY_BATCH) * BIRTHDAY_BATCH_MS;
}

/** Draws different random ports: the first entries of a Fisher–Yates shuffle. */
function randomPorts(count: number, random: () => number): number[] {
  const moved = new Map<number, number>();
  return Array.from({ length: count }, (_, i) => {
    const first = FIRST_RANDOM_PORT + i;
    const drawn = first + Math.floor(random() * (LAST_PORT + 1 - first));
    const port = moved.get(drawn) ?? drawn;
    moved.set(drawn, moved.get(first) ?? first);
    return port;
  });
}
