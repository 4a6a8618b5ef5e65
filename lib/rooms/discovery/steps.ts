/** How it stands with one means by which a node is found under the topic of a room. */
export interface DiscoveryStep {
  /** What it is about. */
  readonly type: 'topic';
  /** By which means. */
  readonly means: 'rendezvous' | 'DHT' | 'LAN';
  /** At which server, where there is one. */
  readonly server?: string;
  /** `listed`: others find this node. `refused`: there is no room now, or no answer; it is tried again. `unknown`: the server is older than topics. */
  readonly state: 'listed' | 'refused' | 'unknown';
}

/** Receives these steps. */
export type DiscoveryTrace = (step: DiscoveryStep) => void;
