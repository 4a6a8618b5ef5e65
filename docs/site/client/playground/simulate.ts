import type { Endpoint } from '../../../../lib/endpoint.js';
import { classify, type NatClassification, type PortSample } from '../../../../lib/nat/classify.js';
import { MAX_PREDICTIONS, predictPorts } from '../../../../lib/nat/predict.js';
import { planPunch, type OwnPunchSide, type PunchPlan } from '../../../../lib/techniques/punch/plan.js';
import { Nat, randomFrom, type NatKind } from './nat.js';

// One round of a punch between two made-up NATs: what the nodes see, predict and plan is the library's code.

/** What is chosen for one node. */
export interface Choice {
  readonly kind: NatKind;
  /** Connections that others behind its NAT make between the look at the NAT and the punch. */
  readonly others: number;
}

/** From one node to the other, in milliseconds. */
export const ONE_WAY_MS = 40;

/** Sockets that a node may have open: more than any plan takes. */
const SOCKETS = 4_096;

const SERVERS: readonly Endpoint[] = [
  { address: '45.45.0.1', port: 8000 },
  { address: '45.45.0.2', port: 8000 },
];
const ADDRESSES = ['45.45.1.7', '45.45.2.9'] as const;
/** Local ports that are looked at to classify a NAT, as a node does. */
const SAMPLED_PORTS = 5;

/** What a node has found out about itself. */
export interface Side {
  readonly address: string;
  readonly samples: readonly PortSample[];
  readonly classification: NatClassification;
  readonly own: OwnPunchSide;
}

/** A SYN on its way. */
export interface Flight {
  /** 0: from Alice. 1: from Bob. */
  readonly from: 0 | 1;
  readonly leavesMs: number;
  readonly localPort: number;
  readonly externalPort: number;
  readonly toPort: number;
  readonly fate: 'opens' | 'no mapping' | 'mapping to another' | 'nobody listens';
  /** Where the mapping leads that is there for another. */
  readonly towards?: number;
}

export type Outcome =
  | { readonly type: 'impossible'; readonly reason: string }
  | { readonly type: 'open'; readonly flight: Flight; readonly afterMs: number }
  | { readonly type: 'missed' };

export interface Run {
  readonly sides: readonly [Side, Side];
  readonly plans: readonly [PunchPlan, PunchPlan] | undefined;
  /** In the order in which they leave; after one has opened, those that would have left later are left out. */
  readonly flights: readonly Flight[];
  readonly outcome: Outcome;
}

export function simulate(choices: readonly [Choice, Choice], seed: number): Run {
  const random = randomFrom(seed);
  const nats = [new Nat(choices[0].kind, random), new Nat(choices[1].kind, random)] as const;
  const sides = [look(nats[0], ADDRESSES[0], random), look(nats[1], ADDRESSES[1], random)] as const;
  nats[0].others(choices[0].others);
  nats[1].others(choices[1].others);
  try {
    const options = { maxSockets: SOCKETS, random };
    const plans = [
      planPunch(sides[0].own, sides[1].own, options),
      planPunch(sides[1].own, sides[0].own, options),
    ] as const;
    const flights = fly(nats, plans, random);
    const opening = flights.find(({ fate }) => fate === 'opens');
    if (opening === undefined) return { sides, plans, flights, outcome: { type: 'missed' } };
    // The other's answer has to come back.
    const afterMs = opening.leavesMs + 2 * ONE_WAY_MS;
    return {
      sides,
      plans,
      flights: flights.filter(({ leavesMs }) => leavesMs < afterMs),
      outcome: { type: 'open', flight: opening, afterMs },
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { sides, plans: undefined, flights: [], outcome: { type: 'impossible', reason } };
  }
}

/** Looks at a NAT by two servers, and predicts its next ports, as a node does before it punches. */
function look(nat: Nat, address: string, random: () => number): Side {
  const firstPort = 16_384 + Math.floor(random() * 16_000);
  const observe = (localPort: number, server: Endpoint): PortSample => ({
    localPort,
    server,
    observed: { address, port: nat.map(localPort, server) },
  });
  const ports = Array.from({ length: SAMPLED_PORTS }, (_, i) => firstPort + i);
  const samples = ports.flatMap((port) => SERVERS.map((server) => observe(port, server)));
  const classification = classify(samples, nat.kind === 'open' ? [address] : ['192.168.1.2']);
  const { natType } = classification;
  const localPort = firstPort + SAMPLED_PORTS;
  const [server] = SERVERS;
  if (server === undefined) throw new Error('Expected a server');
  // The look at a NAT that counts takes a port itself, so the next are those of other local ports.
  const localPorts = Array.from(
    { length: MAX_PREDICTIONS },
    (_, i) => localPort + i + (natType.type === 'delta' ? 1 : 0),
  );
  const observedPort = natType.type === 'random' ? undefined : observe(localPort, server).observed.port;
  const predicted = predictPorts(natType, { localPort, observedPort });
  return { address, samples, classification, own: { natType, address, ports: predicted, localPorts } };
}

/** Sends the SYNs of both plans, which start at the same moment, and sees what each NAT lets in. */
function fly(nats: readonly [Nat, Nat], plans: readonly [PunchPlan, PunchPlan], random: () => number): Flight[] {
  const leaving = ([0, 1] as const)
    .flatMap((from) => plans[from].syns.map((syn) => ({ ...syn, from })))
    .toSorted((one, other) => one.atMs - other.atMs);
  const sent = leaving.map(({ from, atMs, localPort = 33_000 + Math.floor(random() * 27_000), remotePort }) => {
    const to = { address: plans[from].address, port: remotePort };
    return { from, leavesMs: atMs, localPort, toPort: remotePort, externalPort: nats[from].map(localPort, to) };
  });
  const isSent = new Set(sent.map(({ from, localPort, toPort }) => `${from} ${localPort} ${toPort}`));
  const leftAt = new Map(sent.map((each) => [`${each.from} ${each.externalPort} ${each.toPort}`, each.leavesMs]));
  return sent.map((each): Flight => {
    const other = each.from === 0 ? 1 : 0;
    const arrival = nats[other].arrive(each.toPort, { address: ADDRESSES[each.from], port: each.externalPort });
    if (!arrival.isIn) {
      const towards = arrival.mapping?.to.port;
      return { ...each, fate: arrival.why, ...(towards !== undefined && { towards }) };
    }
    // The mapping that lets it in must be there when it comes.
    const madeAt = leftAt.get(`${other} ${each.toPort} ${each.externalPort}`);
    const isTooEarly = madeAt !== undefined && madeAt > each.leavesMs + ONE_WAY_MS;
    const isMet = isSent.has(`${other} ${arrival.localPort} ${each.externalPort}`);
    const isListening = plans[other].listenPort === arrival.localPort;
    if (isTooEarly) return { ...each, fate: 'no mapping' };
    return { ...each, fate: isMet || isListening ? 'opens' : 'nobody listens' };
  });
}
