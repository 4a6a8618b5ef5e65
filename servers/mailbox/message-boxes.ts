import type { RefusalCode } from '../../lib/signalling/carriers/mailbox-messages.js';
import type { Soon } from '../store/store.js';
import type { Kept } from './kept.js';

/** The boxes of all receivers: those of this process, or those that several processes share. */
export interface MessageBoxes {
  /** Loads what was kept before. */
  load(): Promise<void>;
  /** Keeps a message. Returns or resolves when it is stored, or was stored before; otherwise to the refusal. */
  put(message: Kept): Soon<RefusalCode | undefined>;
  /** The messages for a receiver, without those whose receipts are listed, in the order of arrival. */
  list(
    owner: string,
    without: ReadonlySet<string>,
    most: { readonly messages: number; readonly bytes: number },
  ): Soon<readonly Kept[]>;
  /** Deletes acknowledged messages. */
  acknowledge(owner: string, receipts: readonly string[]): Promise<void>;
  /** Deletes expired messages. */
  sweep(): Promise<void>;
  /** A receiver waits at this process. Returns at once, or resolves when messages for it that come to another process will be noticed. */
  listen(owner: string): Soon<void>;
  /** It waits here no longer. */
  leave(owner: string): void;
  close(): void;
}

/** Why a take must not be answered. */
export type VisitRefusal =
  | {
      readonly refused: 'replayed';
      /** The earliest time that would have been accepted. */
      readonly now: number;
    }
  | { readonly refused: 'untimely' | 'host-full' };

/** When receivers last came, to know who is present and to refuse replays: in this process, or in several that share it. */
export interface Visits {
  /**
   * A receiver has come with a take.
   *
   * @param at the time of the take, by the receiver's clock.
   */
  visit(owner: string, site: string, at: number): Soon<VisitRefusal | undefined>;
  /** Whether no later take of it has come. */
  isLatest(owner: string, at: number): Soon<boolean>;
  /** A receiver that waited has waited until now. */
  stay(owner: string): void;
  /** A receiver that waited has gone. */
  left(owner: string): void;
  /** Whether a receiver took messages just now, or waits at another process. */
  isPresent(owner: string): Soon<boolean>;
}
