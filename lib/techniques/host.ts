import type { Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import type { NetworkLook } from '../link/network-looks.js';
import type { SecureSettings } from '../link/tls.js';
import type { Peers } from '../peers/peers.js';
import type { Sightings } from '../peers/sightings.js';
import type { Security } from '../peers/security.js';
import type { Dialect } from '../rendezvous/dialect.js';
import type { Runtime } from '../runtime.js';
import type { Findings } from '../self/findings.js';
import type { Signalling } from '../signalling/signalling.js';
import type { SignalStep } from '../signalling/steps.js';
import type { Unl } from '../unl/types.js';
import type { AttemptStep } from './steps.js';

/** What a technique can use of its node. */
export interface TechniqueHost {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  /** What its links are secured with. */
  readonly context: SecureSettings;
  readonly security: Security;
  readonly peers: Peers;
  /** Where peers have been seen. */
  readonly sightings: Sightings;
  /** Whether this node may come to see a peer that no carrier of signals sees: by a TURN server of its own. */
  readonly looksForItself: boolean;
  readonly signalling: Signalling;
  /** What it has found out about itself; replays the latest. */
  readonly findings$: Observable<Findings>;
  /** Each look at this machine's network. */
  readonly network$: Observable<NetworkLook>;
  /** Its own locator as it is now. */
  readonly own: () => Unl;
  /** The round trip to the server that carries the node's signals, by a family of addresses, in milliseconds. */
  readonly roundTripMs: (family: 4 | 6) => number;
  /** How rendezvous servers are spoken to. */
  readonly dialect: Dialect;
  readonly trace: (step: AttemptStep | SignalStep) => void;
}
