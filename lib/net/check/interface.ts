import type { Observed } from '../../endpoint.js';
import type { LanCheck } from '../../lan/look.js';
import type { RouterCheck } from '../../port-mapping/ask-router.js';
import type { Reach } from '../../reachability.js';
import type { RendezvousAddress } from '../../rendezvous-name.js';
import type { ServerReport } from '../../server-report.js';
import type { NatType } from '../../unl/types.js';
import type { ClockStatus } from '../clock-watch.js';
import type { HairpinCheck } from './hairpin.js';
import type { ServerVersion } from './versions.js';
import type { Ways } from './ways.js';

/** What servers have shown of a NAT, by one family of addresses. */
export interface NatCheck {
  /** The family of addresses: IPv4 or IPv6. */
  readonly family: 4 | 6;
  /** How the NAT maps ports. */
  readonly natType: NatType;
  /** The share of the samples that agree with that, from 0 to 1. */
  readonly confidence: number;
  /** Where servers see this machine, the most frequent first. */
  readonly addresses: readonly string[];
  /** How many servers have shown it. */
  readonly servers: number;
  /** The round trip to the nearest of them, in milliseconds. */
  readonly roundTripMs: number;
}

/** A session with a rendezvous server. */
export interface SessionCheck {
  /** The server, as it was named. */
  readonly server: RendezvousAddress;
  /** There and back, in milliseconds; `undefined` before that was measured. */
  readonly roundTripMs: number | undefined;
  /** Where the server sees this node. */
  readonly observed: Observed | undefined;
  /** The URL of the HTTP services on its host; `undefined` where it names none. */
  readonly services: string | undefined;
}

/** What is known of connections by IPv6 from outside. */
export interface Ipv6Check {
  /**
   * `none`: this node has no public address of IPv6: this machine has none, or the node is bound to another. `open`: a server has dialled this node by it.
   * `closed`: a server could not: a firewall is in the way, the router's or this machine's. `unknown`: no server has tried.
   */
  readonly state: 'none' | 'open' | 'closed' | 'unknown';
  /** This node's public addresses of IPv6. */
  readonly addresses: readonly string[];
}

/** What was asked beside what every node finds out, as far as there were answers by now. */
export interface Asked {
  /** What each server of HTTP says of its program. */
  readonly versions: readonly ServerVersion[];
  /** What the router of each family of addresses says of itself; empty where it need not or may not be asked to open ports, or where there is none. */
  readonly routers: readonly RouterCheck[];
  /** Whether this node gets to itself by its address outside; `undefined` where no port leads to it from there. */
  readonly hairpin: HairpinCheck | undefined;
  /** What multicast shows of the local network; `undefined` for a node on loopback. */
  readonly lan: LanCheck | undefined;
}

/** What a node has found of its network, and what that means. */
export interface NetCheck extends Asked {
  /** Whether everything has been looked into; else more may come. */
  readonly isSettled: boolean;
  /** This machine's own addresses, the likeliest to be dialled first. */
  readonly addresses: readonly string[];
  /** Every server that has been asked by now, with what is wrong with it: `undefined` where it answers. */
  readonly services: readonly ServerReport[];
  /** The sessions with rendezvous servers. */
  readonly sessions: readonly SessionCheck[];
  /** What the NAT does, by each family of addresses that a server has seen. */
  readonly nats: readonly NatCheck[];
  /** Whether others can dial this node, by each family; empty where that was not looked into. */
  readonly reach: readonly Reach[];
  /** Whether others can dial this node by IPv6. */
  readonly ipv6: Ipv6Check;
  /** Whether the router may be asked to open a port. */
  readonly mapsPorts: boolean;
  /** Whether the user says that a port is forwarded to this node. */
  readonly isForwarded: boolean;
  /** Whether there is a relay where peers may be met, and that lets this node in. */
  readonly hasRelay: boolean;
  /** That this machine's clock and those of servers are apart; `undefined` where no server says so. */
  readonly clock: ClockStatus | undefined;
  /** How this node and each kind of peers get to each other. */
  readonly ways: readonly Ways[];
  /** What would make it better, in sentences; the most useful first. */
  readonly advice: readonly string[];
  /** How peers behind an ordinary NAT reach this node: directly, be it by punching; by a relay only; or not at all. `unknown`: nobody outside has tried. */
  readonly verdict: 'direct' | 'relay' | 'none' | 'unknown';
}
