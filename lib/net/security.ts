import type { ResolvedConfig } from '../config.js';
import { PYP2P_DIALECT } from '../pyp2p/dialect.js';
import type { Dialect } from '../rendezvous/dialect.js';
import { OUR_DIALECT } from '../rendezvous/our-dialect.js';

/** How a node with this configuration speaks to rendezvous servers. */
export function dialectOf({ security }: ResolvedConfig): Dialect {
  return security === 'plain' ? PYP2P_DIALECT : OUR_DIALECT;
}
