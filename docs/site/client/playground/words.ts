import { predictability, synsBetween } from '../../../../lib/nat/punchable.js';
import type { PunchPlan } from '../../../../lib/techniques/punch/plan.js';
import { PUNCH_ROUNDS } from '../../../../lib/techniques/punch/plan.js';
import type { NatType } from '../../../../lib/unl/types.js';
import type { Flight, Run, Side } from './simulate.js';

// What has happened, in words.

export const NAMES = ['Alice', 'Bob'] as const;

export function natWords(natType: NatType): string {
  switch (natType.type) {
    case 'open':
      return 'The servers see the node at its own address and port: there is no NAT.';
    case 'preserving':
      return 'The port outside is the port inside.';
    case 'reuse':
      return 'The port outside is another, but both servers see the same one: it does not depend on the destination.';
    case 'delta':
      return `Each new connection gets the port ${natType.delta} above the last.`;
    case 'random':
      return 'No rule can be seen: each destination sees another port.';
    case 'unknown':
      return 'Too little was seen to tell.';
  }
}

export function predictionWords({ own }: Side): string {
  switch (predictability(own.natType)) {
    case 'known':
      return `A SYN from local port ${own.localPorts[0] ?? ''} will leave from there.`;
    case 'sequential':
      return `One look shows where the NAT's count stands. The next connections get these, as long as nobody else behind the NAT takes one.`;
    case 'random':
      return 'Nobody can say which port comes next, so none is told.';
  }
}

export function planWords(plan: PunchPlan): string {
  const [first] = plan.syns;
  if (first === undefined) return 'No SYN.';
  const localPorts = new Set(plan.syns.map(({ localPort }) => localPort));
  const remotePorts = new Set(plan.syns.map(({ remotePort }) => remotePort));
  const from =
    localPorts.size === 1
      ? `from local port ${first.localPort ?? ''}`
      : `from ${localPorts.has(undefined) ? 'as many' : localPorts.size} local ports`;
  const to = remotePorts.size === 1 ? `to port ${first.remotePort}` : `to ${remotePorts.size} ports`;
  const last = plan.syns.at(-1)?.atMs ?? 0;
  const when = last === 0 ? 'all at once' : `within ${last} ms`;
  return plan.syns.length === 1 ? `One SYN, ${from} ${to}.` : `${plan.syns.length} SYNs, ${from} ${to}, ${when}.`;
}

/** Why two NATs are punched as they are. */
export function sizeWords([alice, bob]: Run['sides']): string {
  const types = [alice.own.natType, bob.own.natType] as const;
  const ways = types.map(predictability);
  switch (synsBetween(...types)) {
    case 'few':
      return ways.every((way) => way === 'sequential')
        ? 'Both NATs count. Each side makes several mappings, all towards the middle one of the other’s next ports, so that a few connections of others do no harm.'
        : 'The ports of both can be predicted, so a few SYNs will do.';
    case 'many':
      return 'One NAT gives random ports, the other’s port is known. As with birthdays in a classroom: the random side makes hundreds of mappings towards the one port, the other tries thousands of ports, and a few of them meet.';
    case 'never':
      return 'It would take a port that is known for certain on one side, and there is none.';
  }
}

export function fateWords({ from, toPort, externalPort, fate, towards }: Flight): string {
  const peer = NAMES[from === 0 ? 1 : 0];
  switch (fate) {
    case 'opens':
      return `${peer}’s NAT lets it in: it expects an answer at port ${toPort} from port ${externalPort}.`;
    case 'no mapping':
      return `dropped: port ${toPort} of ${peer}’s NAT leads nowhere yet.`;
    case 'mapping to another':
      return `dropped: port ${toPort} of ${peer}’s NAT is for answers from port ${towards ?? ''} only.`;
    case 'nobody listens':
      return `comes in, but nobody at ${peer} waits at that port.`;
  }
}

export function outcomeWords({ outcome, flights, sides }: Run): {
  readonly head: string;
  readonly why: string;
  readonly isOpen: boolean;
} {
  if (outcome.type === 'impossible') {
    return {
      head: 'No punch is tried',
      why: `${outcome.reason}. The lines go by a relay, which cannot read them.`,
      isOpen: false,
    };
  }
  if (outcome.type === 'missed') {
    return {
      head: 'Nothing opens in this round',
      why: `All ${flights.length} SYNs were dropped. The nodes try ${PUNCH_ROUNDS} rounds, each with fresh predictions; meanwhile, and if none succeeds, the lines go by a relay.`,
      isOpen: false,
    };
  }
  const { from, externalPort, toPort } = outcome.flight;
  const other = from === 0 ? 1 : 0;
  const direct = sides.findIndex(({ own }) => own.natType.type === 'open');
  return {
    head: `Open after ${outcome.afterMs} ms`,
    why:
      `${NAMES[from]}’s port ${externalPort} and ${NAMES[other]}’s port ${toPort} have found each other: each side has sent to the other’s port, so each NAT takes the other’s SYN for an answer. ` +
      `TCP calls that a simultaneous open (RFC 9293). TLS 1.3 follows on it, and both prove their keys.` +
      (direct < 0
        ? ''
        : ` Since ${NAMES[direct === 0 ? 0 : 1]} can be dialled, a node dials first, and need not punch.`),
    isOpen: true,
  };
}
