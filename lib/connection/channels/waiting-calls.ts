import { Queue } from '../../bounds/queue.js';
import { TooManyChannelsError } from '../../errors.js';
import type { CallOpening } from '../../remote/channel.js';

/** How much may wait. */
export interface WaitingCallsConfig {
  /** Calls. */
  readonly most: number;
  /** Bytes of their arguments. */
  readonly mostBytes: number;
}

/** A call that waits. */
export interface WaitingCall extends Pick<CallOpening, 'bytes' | 'onClosed'> {
  /** Called when it is its turn. */
  readonly onTurn: () => void;
}

interface Entry {
  /** The call; `undefined` once it does not wait any more. */
  call: WaitingCall | undefined;
}

/** Calls that wait until another is over or answered, in the order in which they came. */
export class WaitingCalls {
  readonly #config: WaitingCallsConfig;
  #entries = new Queue<Entry>();
  #size = 0;
  #bytes = 0;

  constructor(config: WaitingCallsConfig) {
    this.#config = config;
  }

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /**
   * Adds a call.
   *
   * @param why why it has to wait, in words.
   * @returns what takes it out again, if it still waits.
   * @throws TooManyChannelsError when too many wait already.
   */
  add(call: WaitingCall, why: string): () => void {
    const { most, mostBytes } = this.#config;
    if (this.#size >= most)
      throw new TooManyChannelsError(`Expected at most ${most} calls to wait for their turn, got more, and ${why}`);
    if (this.#size > 0 && this.#bytes + call.bytes > mostBytes)
      throw new TooManyChannelsError(
        `Expected calls with at most ${mostBytes} bytes of arguments to wait for their turn, got more, and ${why}`,
      );
    const entry: Entry = { call };
    this.#entries.push(entry);
    this.#size++;
    this.#bytes += call.bytes;
    return () => {
      if (entry.call === undefined) return;
      this.#takeFrom(entry);
      this.#tidy();
    };
  }

  /** Takes the one that has waited longest; `undefined` when none waits. */
  next(): WaitingCall | undefined {
    for (let entry = this.#entries.take(); entry !== undefined; entry = this.#entries.take()) {
      const call = this.#takeFrom(entry);
      if (call !== undefined) return call;
    }
    return undefined;
  }

  #takeFrom(entry: Entry): WaitingCall | undefined {
    const { call } = entry;
    if (call === undefined) return undefined;
    entry.call = undefined;
    this.#size--;
    this.#bytes -= call.bytes;
    return call;
  }

  /** Forgets the entries of calls that do not wait any more, when they are most: each is looked at a few times at most. */
  #tidy(): void {
    if (this.#entries.length < 2 * this.#size + 16) return;
    const entries = new Queue<Entry>();
    for (const entry of this.#entries.takeAll()) if (entry.call !== undefined) entries.push(entry);
    this.#entries = entries;
  }
}
