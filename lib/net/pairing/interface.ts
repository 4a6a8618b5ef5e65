import type { PairedPeer } from '../../pairing/messages.js';

/** How to invite a peer by a code. */
export interface InviteOptions {
  /** How many words the code has: with two a guess is right once in 65,536, with three once in 16,777,216. Default: 2. */
  readonly words?: 2 | 3 | undefined;
  /**
   * How many wrong tries there were of the codes that this one follows, as `wrongTries` of the PairingError of the last one tells: from 0 to 2.
   * They count for this one, too: else somebody who guesses would have new tries with each code. Default: 0.
   */
  readonly wrongTries?: number | undefined;
  /** Gives the code up when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** How an invitation goes on. */
export type InviteStep =
  /** There is a code, to be told to one person. */
  | {
      /** What has happened. */
      readonly step: 'code';
      /** Such as `7-otter-violet`. */
      readonly code: string;
      /** Until when it is good. */
      readonly expiresAt: Date;
    }
  /** Somebody has typed it. */
  | {
      /** What has happened. */
      readonly step: 'paired';
      /** Who it is. */
      readonly peer: PairedPeer;
    };

/** How to meet a peer by the code that it shows. */
export interface PairOptions {
  /** The code as it was told: in any case, with spaces or hyphens, and of each word the first three letters or more. */
  readonly code: string;
  /** Gives the try up when aborted. */
  readonly signal?: AbortSignal | undefined;
}
