import type { RendezvousAddress } from '../rendezvous-name.js';
import type { ServerStep } from '../server-report.js';

/** What is told of the sessions with rendezvous servers. */
export type RendezvousStep =
  /** A session with a rendezvous server. */
  | {
      readonly type: 'rendezvous';
      /** The server, as it was named. */
      readonly server: RendezvousAddress;
      /** `lost` sessions are opened again by themselves. */
      readonly state: 'connected' | 'lost';
      /** Why it was lost, in words. */
      readonly reason?: string;
    }
  | ServerStep;

/** Receives these steps. */
export type RendezvousTrace = (step: RendezvousStep) => void;
