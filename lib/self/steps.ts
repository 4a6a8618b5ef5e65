import type { PortMappingProtocol } from '../config.js';
import type { PortSample } from '../nat/classify.js';
import type { Outcome } from '../operators/trace-outcome.js';
import type { Reach } from '../reachability.js';
import type { RendezvousStep } from '../rendezvous/steps.js';
import type { NatType } from '../unl/types.js';

/** What is traced while a node finds out what and where it is. */
export type SelfStep =
  /** What the servers have shown of this node's NAT, by one family of addresses. */
  | {
      readonly type: 'nat';
      /** The family of addresses: IPv4 or IPv6. */
      readonly family: 4 | 6;
      /** How the NAT maps ports. */
      readonly natType: NatType;
      /** The share of the samples that agree with that, from 0 to 1. */
      readonly confidence: number;
      /** The public addresses at which servers saw this node, the most frequent first. */
      readonly addresses: readonly string[];
      /** How many ports were looked at. */
      readonly samples: number;
      /** What each look has shown, in the order in which the connections were made. */
      readonly looks: readonly PortSample[];
    }
  /** The progress of one protocol that asks the gateway to open a port. */
  | (Outcome & {
      readonly type: 'port-mapping';
      /** The protocol. */
      readonly protocol: PortMappingProtocol;
    })
  /** Whether others can dial this node by one family of addresses. */
  | (Reach & {
      readonly type: 'reach';
      /** Since the search for a way began, in milliseconds. */
      readonly elapsedMs: number;
    })
  /** The system does not tell this machine's addresses. The locator then has those told last, or those of the default routes. */
  | {
      readonly type: 'interfaces';
      /** Why, in words. */
      readonly reason: string;
    }
  | RendezvousStep;

/** Receives these steps. */
export type SelfTrace = (step: SelfStep) => void;
