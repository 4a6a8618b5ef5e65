import { canonicalAddress, familyOf, isPort, isPublicUnicast } from '../../endpoint.js';
import { DialError, ProtocolError } from '../../errors.js';
import { isServicePort } from '../../unl/dialable.js';
import type { NatType } from '../../unl/types.js';
import { show } from '../../validate.js';
import { predictability, synsBetween } from '../../nat/punchable.js';
import { MAX_PREDICTIONS } from '../../nat/predict.js';
import { mappings, PACED_MS, PACED_SYN_MS, probes, type BirthdayOptions } from './birthday.js';
import type { Syn } from './syns.js';

/** Rounds before giving up, each with fresh predictions: 97.6 % of what succeeds does at the first (arXiv 2510.27500). */
export const PUNCH_ROUNDS = 3;

/**
 * How long a round goes on after its last SYN, in milliseconds: the kernel repeats a lost SYN after 1 s (RFC 6298 §2.1),
 * and that one gets 1.5 s for its round trip.
 */
export const PUNCH_ROUND_MS = 2_500;

/** A try that was refused is made again after at least this time, in milliseconds. */
export const PUNCH_RETRY_MIN_MS = 5;

/**
 * And at most after this time, chosen at random: with a fixed pause, SYNs to two routers that both answer RST could miss each
 * other again and again. With 5 to 25 ms all pairs of such routers in the lab met within 750 ms.
 */
export const PUNCH_RETRY_MAX_MS = 25;

/** Tries a planned SYN, on average: two routers that answered RST took up to 44 tries to meet. */
const TRIES = 64;

/** No round sends more SYNs than this, retries and all: twice the probes of the birthday plan. */
export const PUNCH_MAX_SYNS = 4_096;

/** One side of a punch, as it is sent to the other in each round. */
export interface PunchSide {
  /** How its NAT maps ports. */
  readonly natType: NatType;
  /** Its public address, as servers observe it. */
  readonly address: string;
  /** The external ports that its NAT will use next, the likeliest first; none where they are random. */
  readonly ports: readonly number[];
}

/** This node's own side, with its local ports. */
export interface OwnPunchSide extends PunchSide {
  /**
   * Local ports to leave from, at least one. Where the NAT keeps ports or is endpoint-independent the first is the one that
   * `ports` are predicted for. A delta NAT takes {@link MAX_PREDICTIONS}; for a random one the system chooses.
   */
  readonly localPorts: readonly number[];
}

/** How to plan. */
export interface PunchPlanOptions extends BirthdayOptions {
  /** Wait so long before the first SYN, in milliseconds, so that both sides send at the same moment. Default: 0. */
  readonly delayMs?: number | undefined;
  /** Whether to try a peer with a random NAT, or with one ourselves, which takes thousands of SYNs. Default: true. */
  readonly birthday?: boolean | undefined;
}

/** What one side does in one round. */
export interface PunchPlan {
  /** The only address that anything is sent to. */
  readonly address: string;
  /** In the order of their times. */
  readonly syns: readonly Syn[];
  /** The local port on which the peer's SYN may come in by itself, where this side's mapping is of that port. */
  readonly listenPort: number | undefined;
  /** How many SYNs may be sent at most, counting those sent again after a refusal (the kernel's own repetitions not). */
  readonly maxSyns: number;
  /** How long a SYN may take to open, in milliseconds. Default: until the deadline. */
  readonly synMs?: number | undefined;
  /** When to give up, in milliseconds from the start of the plan. */
  readonly deadlineMs: number;
}

/**
 * What this side does in one round of a TCP simultaneous open (RFC 9293 §3.5, figure 7): which local ports send a SYN to which
 * ports of the peer, and when. Both sides plan by themselves, each with what the other told, and the two plans fit. Pure: the
 * random numbers are passed in.
 *
 * - Where a side's mapping is known beforehand (no NAT, preserving, reuse), one local port sends to each predicted port of the
 *   peer.
 * - Two delta NATs: each side makes {@link MAX_PREDICTIONS} mappings, all towards the middle one of the other's next.
 *   They meet as long as others make at most four mappings in between on either side. (If each mapping aimed at its counterpart,
 *   a single mapping of others would make all of them miss, since both ends of a pair must be right.)
 * - A random NAT: the birthday plan. The random side makes hundreds of mappings towards the one port of the other, which
 *   tries thousands of ports. Where that has failed, a router may limit new flows: the random side makes more mappings, and
 *   the other tries a few hundred ports one after the other.
 *
 * @throws DialError when one side's NAT gives random ports and the other's port is not known for certain, or there is no port to send to.
 * @throws ProtocolError when the peer's address is not a public one of this side's family, or a port is none.
 *
 * @example
 * planPunch(
 *   { natType: { type: 'preserving' }, address: '45.45.1.7', ports: [4000], localPorts: [4000] },
 *   { natType: { type: 'reuse' }, address: '45.45.2.9', ports: [51234] },
 *   { maxSockets: 1000, random: Math.random },
 * ).syns; // [{ atMs: 0, localPort: 4000, remotePort: 51234 }]
 */
export function planPunch(own: OwnPunchSide, peer: PunchSide, options: PunchPlanOptions): PunchPlan {
  const { delayMs = 0, birthday = true, isPaced = false } = options;
  const address = expectPublic(peer.address, own.address);
  const peerPorts = expectPorts(peer.ports);
  const [localPort] = own.localPorts;
  const [ours, theirs] = [predictability(own.natType), predictability(peer.natType)];
  if (localPort === undefined) throw new DialError('There is no local port to punch from');
  const size = synsBetween(own.natType, peer.natType);
  if (size === 'never') throw new DialError(whyNotBirthday(ours, theirs));
  if (size === 'many' && !birthday) throw new DialError('A NAT gives random ports, and trying many is off');
  const [firstPeerPort] = peerPorts;
  if (firstPeerPort === undefined && theirs !== 'random') throw new DialError('The peer has no port to punch to');

  const syns = (): Syn[] => {
    if (theirs === 'random') return probes(localPort, options);
    if (ours === 'random') return mappings(localPort, firstPeerPort ?? 0, options);
    if (ours === 'sequential' && theirs === 'sequential') {
      const aim = peerPorts[Math.floor(peerPorts.length / 2)] ?? 0;
      return own.localPorts.slice(0, MAX_PREDICTIONS).map((port) => ({ atMs: 0, localPort: port, remotePort: aim }));
    }
    return peerPorts.map((remotePort) => ({ atMs: 0, localPort, remotePort }));
  };
  const planned = syns().map((syn) => ({ ...syn, atMs: syn.atMs + delayMs }));
  const isPacedBirthday = isPaced && (ours === 'random' || theirs === 'random');
  return {
    address,
    syns: planned,
    listenPort: ours === 'known' ? localPort : undefined,
    maxSyns: Math.min(PUNCH_MAX_SYNS, planned.length * TRIES),
    ...(isPacedBirthday && theirs === 'random' && { synMs: PACED_SYN_MS }),
    deadlineMs: (isPacedBirthday ? delayMs + PACED_MS : (planned.at(-1)?.atMs ?? delayMs)) + PUNCH_ROUND_MS,
  };
}

/** The birthday plan tries many ports on one side. That takes one port on the other side that is known for certain. */
function whyNotBirthday(...sides: readonly ReturnType<typeof predictability>[]): string {
  return sides.includes('sequential')
    ? 'One NAT gives random ports, and the next port of the other can only be guessed: only a relay connects them'
    : 'Both NATs give random ports: only a relay connects them';
}

/** Checks the address that a peer claims: it must not make this node send to its own network, or to an unusable address. */
function expectPublic(address: string, own: string): string {
  const canonical = canonicalAddress(address);
  const isPublic = canonical !== undefined && isPublicUnicast(canonical);
  if (!isPublic || familyOf(canonical) !== familyOf(own)) {
    throw new ProtocolError(
      `Expected the peer's address to be a public one of IPv${familyOf(own)}, got ${show(address)}`,
    );
  }
  return canonical;
}

/** Drops ports of well-known services: a peer must not make this node try them. */
function expectPorts(ports: readonly number[]): number[] {
  const wrong = ports.find((port) => !isPort(port));
  if (wrong !== undefined) throw new ProtocolError(`Expected the peer's ports to be 1 to 65535, got ${show(wrong)}`);
  return [...new Set(ports)].filter((port) => !isServicePort(port)).slice(0, MAX_PREDICTIONS);
}
