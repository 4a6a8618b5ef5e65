import type { ResolvedConfig } from '../config.js';
import type { Reach } from '../reachability.js';
import type { NatType, NodeType, Unl } from '../unl/types.js';

/** What a locator is made from. */
export interface Located {
  readonly nodeType: NodeType;
  readonly natType: NatType;
  /** Where the node listens. */
  readonly port: number;
  /** This machine's addresses. */
  readonly addresses: readonly string[];
  /** Where servers see it. */
  readonly observed: readonly string[];
  /** Whether others can dial it. */
  readonly reaches: readonly Reach[];
}

/** How a node makes its locator: in version 3, or for PyP2P's nodes in version 2. */
export interface LocatorForm {
  /** Whether others can open TCP simultaneously with the node by a family of addresses, if its NAT can be predicted. */
  readonly canPunchBy: (family: 4 | 6, config: ResolvedConfig) => boolean;
  /** Makes the locator. */
  readonly unlOf: (located: Located, config: ResolvedConfig) => Unl;
}
