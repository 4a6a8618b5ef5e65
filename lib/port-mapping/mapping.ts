import type { PortMappingProtocol } from '../config.js';
import type { Endpoint } from '../endpoint.js';

/** A port that a gateway leads to this node, for as long as it is renewed. */
export interface Mapping {
  /** What it was asked for by. */
  readonly protocol: PortMappingProtocol;
  /** The gateway's address on the local network. */
  readonly gateway: string;
  /** This node's own endpoint. */
  readonly internal: Endpoint;
  /** The endpoint that others can dial, as the gateway says. Behind a second NAT that is wrong; only a dial from outside can verify it. */
  readonly external: Endpoint;
  /** How long it was granted for, in milliseconds; Infinity when the gateway grants only permanent mappings. */
  readonly lifetimeMs: number;
}
