import type { PeerId } from '../../identity.js';
import type { PunchSide } from './plan.js';
import type { PunchReport } from './sockets.js';

/** A step of a punch, to be told. */
export type PunchStep = {
  /** The attempt that it is part of. */
  readonly attemptId: string;
  /** The peer that is punched to. */
  readonly peerId: PeerId;
  /** Which round of the attempt it belongs to, from 0. */
  readonly round: number;
  /** Who asked for it. */
  readonly by: 'us' | 'peer';
} & (
  | /** The peer was asked. */ {
      readonly step: 'asked';
      /** How this side looks. */
      readonly own: PunchSide;
    }
    /** Both sides are known, and what this one does. */
  | {
      readonly step: 'planned';
      /** How this side looks. */
      readonly own: PunchSide;
      /** How the peer looks. */
      readonly peer: PunchSide;
      /** What this side does. */
      readonly plan: PunchSummary;
    }
  /** No punch is possible, or the peer takes no part. */
  | {
      readonly step: 'refused';
      /** Why, in words. */
      readonly reason: string;
    }
  /** The round is over. */
  | ({ readonly step: 'over' } & PunchReport)
);

/** A plan in short. */
export interface PunchSummary {
  /** SYNs to be sent, without those that are sent again. */
  readonly syns: number;
  /** When the first leaves, in milliseconds. */
  readonly delayMs: number;
  /** When the round is given up, in milliseconds. */
  readonly deadlineMs: number;
}
