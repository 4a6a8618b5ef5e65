import type { Socket } from 'node:net';
import type { Observable } from 'rxjs';
import { familyOf, isPublicUnicast } from '../endpoint.js';
import type { PunchReport } from '../techniques/punch/sockets.js';
import { planPunch, type OwnPunchSide, type PunchPlan } from '../techniques/punch/plan.js';
import type { PunchStep } from '../techniques/punch/steps.js';
import type { ChallengeContext } from './challenge-context.js';
import type { TechniqueTraits } from '../techniques/technique.js';
import { FinalError } from '../techniques/punch/round.js';

/** PyP2P's nodes announce four ports, and punch from their first to the peer's first, from the second to the second, and so on. */
const PORTS = 4;

/**
 * Both nodes start this long after the time in the messages, in milliseconds: a PyP2P node sends the current time, and both add this.
 * Nobody waits longer, since two clocks may differ.
 */
export const NTP_DELAY_MS = 6_000;

/** How long a punch goes on, in milliseconds: as long as PyP2P's nodes try one connect, of which they make four, one after the other. */
const FIGHT_MS = 5_000;

/** What is known of challenges before there is a node. */
export const CHALLENGE = {
  name: 'challenge',
  stage: 'signal',
  serves: ({ version, nodeType }) => version === 2 && nodeType === 'simultaneous',
} as const satisfies TechniqueTraits;

/** The address and ports that one node tells the other by way of the server. */
export interface Told {
  readonly address: string;
  readonly ports: readonly number[];
}

/** Whether it is a public IPv4 address; PyP2P knows no IPv6. */
export function isPublic(address: string): boolean {
  return familyOf(address) === 4 && isPublicUnicast(address);
}

/** What every traced step of one punch has. */
export type PunchOf = Pick<PunchStep, 'attemptId' | 'peerId' | 'round' | 'by'>;

/** This side with at most four ports, as PyP2P's nodes expect. */
export function toldSideOf(own: OwnPunchSide): OwnPunchSide {
  const { type } = own.natType;
  if (type === 'random' || type === 'unknown') {
    throw new FinalError(`The ports of our NAT cannot be predicted (${type})`);
  }
  const localPorts = own.localPorts.slice(0, PORTS);
  // Where the NAT keeps ports, each external port is the local one.
  const areKept = type === 'open' || type === 'preserving';
  return { ...own, localPorts, ports: areKept ? localPorts : own.ports.slice(0, PORTS) };
}

/**
 * Plans one punch for each of our ports, to the peer's port at the same place in its list. Plans at once, and throws when that is not
 * possible. The peer does not tell its NAT type, so its ports are taken for certain.
 */
export function punches(
  { options, punch$, tell }: ChallengeContext,
  told: PunchOf,
  own: OwnPunchSide,
  { address, ports }: Told,
  delayMs: number,
): readonly Observable<Socket>[] {
  const { natType, localPorts } = own;
  const peer = { natType: { type: 'unknown' }, address, ports: ports.slice(0, PORTS) } as const;
  const plans = own.ports.slice(0, peer.ports.length).map((port, i): PunchPlan => {
    const side = { ...own, ports: [port], localPorts: localPorts.slice(i, i + 1) };
    const plan = planPunch(side, { ...peer, ports: peer.ports.slice(i, i + 1) }, { ...options(), delayMs });
    return { ...plan, deadlineMs: delayMs + FIGHT_MS };
  });
  tell({
    ...told,
    step: 'planned',
    own: { natType, address: own.address, ports: own.ports },
    peer,
    plan: { syns: plans.length, delayMs, deadlineMs: delayMs + FIGHT_MS },
  });
  const reports: PunchReport[] = [];
  return plans.map((plan) =>
    punch$(plan, (report) => {
      reports.push(report);
      if (reports.length === plans.length) tell({ ...told, step: 'over', ...sumOf(reports) });
    }),
  );
}

function sumOf(reports: readonly PunchReport[]): PunchReport {
  const sum = (valueOf: (report: PunchReport) => number) =>
    reports.reduce((total, report) => total + valueOf(report), 0);
  return {
    sent: sum(({ sent }) => sent),
    refused: sum(({ refused }) => refused),
    opened: sum(({ opened }) => opened),
    accepted: sum(({ accepted }) => accepted),
    elapsedMs: Math.max(...reports.map(({ elapsedMs }) => elapsedMs)),
    reasons: [...new Set(reports.flatMap(({ reasons }) => reasons))],
  };
}
