import type { Endpoint } from '../../../../lib/endpoint.js';

// NATs as they are found: how each gives ports, and what it lets in. Made up for the playground; all that the nodes do with them is the
// library's own code.

/** What may be chosen. */
export const NATS = {
  open: { name: 'none: a public address', about: 'The port outside is the port inside, and everybody is let in.' },
  cone: {
    name: 'home router, lets in anybody (full cone)',
    about: 'It keeps the local port, and once a port is in use, anybody may send to it.',
  },
  preserving: {
    name: 'home router, keeps ports',
    about: 'The usual one: the port outside is the port inside, and only those that were sent to are let in.',
  },
  reuse: {
    name: 'carrier, one port for all destinations',
    about: 'The port outside is another one, but the same for each destination (endpoint-independent).',
  },
  delta1: {
    name: 'counts up by one',
    about: 'Each new connection gets the next port, whoever behind the NAT makes it.',
  },
  delta3: { name: 'counts up by three', about: 'Each new connection gets the port that lies three above the last.' },
  random: { name: 'random ports', about: 'Each destination gets another port, at random: a “symmetric” NAT.' },
} as const;

export type NatKind = keyof typeof NATS;

export const NAT_KINDS = Object.keys(NATS).filter((name): name is NatKind => name in NATS);

const [FIRST_PORT, PORTS] = [1024, 64_512];
const STEPS: Readonly<Partial<Record<NatKind, number>>> = { delta1: 1, delta3: 3 };

/** A port that a NAT has given. */
export interface Mapping {
  readonly localPort: number;
  readonly externalPort: number;
  readonly to: Endpoint;
}

/** What becomes of a SYN from outside. */
export type Arrival =
  | { readonly isIn: true; readonly localPort: number }
  | { readonly isIn: false; readonly why: 'no mapping' | 'mapping to another'; readonly mapping?: Mapping };

/** A NAT with its table. */
export class Nat {
  readonly #mappings: Mapping[] = [];
  readonly #byPort = new Map<number, Mapping[]>();
  readonly #random: () => number;
  #last: number;

  constructor(
    readonly kind: NatKind,
    random: () => number,
  ) {
    this.#random = random;
    this.#last = 20_000 + Math.floor(random() * 20_000);
  }

  /** The port that a connection from a local port to a destination gets. */
  map(localPort: number, to: Endpoint): number {
    const known = this.#mappings.find(
      (each) => each.localPort === localPort && each.to.address === to.address && each.to.port === to.port,
    );
    if (known !== undefined) return known.externalPort;
    const externalPort = this.#portFor(localPort);
    const mapping = { localPort, externalPort, to };
    this.#mappings.push(mapping);
    this.#byPort.set(externalPort, [...(this.#byPort.get(externalPort) ?? []), mapping]);
    return externalPort;
  }

  /** Somebody else behind the NAT makes connections. */
  others(count: number): void {
    for (let i = 0; i < count; i++)
      this.map(50_000 + Math.floor(this.#random() * 10_000), { address: '45.45.9.9', port: 443 + i });
  }

  arrive(externalPort: number, from: Endpoint): Arrival {
    if (this.kind === 'open') return { isIn: true, localPort: externalPort };
    const mappings = this.#byPort.get(externalPort) ?? [];
    const [first] = mappings;
    if (first === undefined) return { isIn: false, why: 'no mapping' };
    if (this.kind === 'cone') return { isIn: true, localPort: first.localPort };
    const fitting = mappings.find(({ to }) => to.address === from.address && to.port === from.port);
    if (fitting !== undefined) return { isIn: true, localPort: fitting.localPort };
    return { isIn: false, why: 'mapping to another', mapping: first };
  }

  #portFor(localPort: number): number {
    const step = STEPS[this.kind];
    if (step !== undefined) return (this.#last = FIRST_PORT + ((this.#last + step - FIRST_PORT) % PORTS));
    if (this.kind === 'random') return FIRST_PORT + Math.floor(this.#random() * PORTS);
    if (this.kind !== 'reuse') return localPort;
    const same = this.#mappings.find((each) => each.localPort === localPort);
    return same?.externalPort ?? FIRST_PORT + Math.floor(this.#random() * PORTS);
  }
}

/** Random numbers that are the same again from the same seed (mulberry32), so that a punch can be looked at again. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
