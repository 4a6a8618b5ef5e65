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
  /** What the gateway says others can dial. Behind another NAT that is not so: only being dialled from outside tells. */
  readonly external: Endpoint;
  /** For how long it was granted, in milliseconds; Infinity for good, where the gateway knows nothing else. */
  readonly lifetimeMs: number;
}
