import type { PeerId } from '../identity.js';

/**
 * A protocol without sockets, clock or chance of its own: what happens goes in together with the time, and what it wants done comes out.
 * The same code runs over real connections and over a simulated network.
 */
export interface Machine<Input, Output> {
  /**
   * Takes what has happened, and returns what is to be done, in this order. Never throws, whatever peers have sent.
   *
   * @param now milliseconds of any clock that never goes back; the same clock at each call.
   */
  handle(input: Input, now: number): readonly Output[];
  /** When it wants `{ type: 'wake' }`, by the same clock; `undefined`: it waits for nothing. An earlier or later wake does no harm. */
  readonly wakeAt: number | undefined;
}

/** Chance: a number from 0 up to but not including 1. */
export type Random = () => number;

/** A member of a room as others know it. What others say of it is hearsay until a connection to it has proven its key. */
export interface Member {
  readonly id: PeerId;
  /** Its locator. */
  readonly unl: string;
  /** Whether others can dial it: it stands in the open, or has a port that its router forwards. */
  readonly dialable: boolean;
}
