import type { PeerId } from '../identity.js';
import type { Outcome } from '../operators/trace-outcome.js';
import type { PeerStep } from '../peers/steps.js';
import type { PunchStep } from './punch/steps.js';

/** What is told of attempts to connect. */
export type AttemptStep =
  /** An attempt to connect, from `connect$` or to fill a slot. */
  | (Outcome & {
      readonly type: 'attempt';
      /** Names the attempt on both sides. */
      readonly attemptId: string;
      /** The peer that is to be reached. */
      readonly peerId: PeerId;
    })
  /** One technique of an attempt. `cancelled` when another was faster. */
  | (Outcome & {
      readonly type: 'technique';
      /** The attempt that it is part of. */
      readonly attemptId: string;
      /** Its name, as in `ConnectOptions.techniques`. */
      readonly technique: string;
    })
  /** One round of a simultaneous open. */
  | ({ readonly type: 'punch' } & PunchStep)
  | PeerStep;

/** Where that is told. */
export type AttemptTrace = (step: AttemptStep) => void;
