import { noop, Observable, takeWhile, type Subscription } from 'rxjs';
import { Queue } from '../bounds/queue.js';
import type { WaitingBytes } from '../bounds/waiting-bytes.js';
import type { CallChannel } from './channel.js';
import type { Failure, Format, Writer } from './format.js';
import type { OverflowPolicy } from './interface.js';
import { HIGH_WATER_BYTES, Room, type RoomUser } from './room.js';
import { failureOf, isPromise, isPullable, leave, observableOf } from './source.js';

/** A batch is written when it is this long, or when the current run of JavaScript ends. */
const BATCH_LENGTH = 32_768;

/** What sending values needs, the same for all calls of a peer to an object. */
export interface ValuesConfig {
  readonly format: Format;
  readonly overflow: OverflowPolicy;
  /** How many bytes of an Observable's values may wait before the policy applies. */
  readonly remoteBytes: number;
  /** What may wait of the values of all calls of the peer. */
  readonly budget: WaitingBytes;
  /** The longest value, in bytes. */
  readonly messageBytes: number;
  /** Runs an action at the end of the current run of JavaScript. */
  readonly soon: (action: () => void) => void;
}

/** Sends the values of what a method returns. If the source can be told to wait, it waits until there is room. */
export class Values implements RoomUser {
  readonly #config: ValuesConfig;
  readonly #channel: CallChannel;
  readonly #onOver: () => void;
  readonly #writer: Writer;
  readonly #room: Room;
  #isFlushDue = false;
  #isOver = false;
  #source: Subscription | undefined;
  /** The values of an Observable for which there is no room, and their bytes. */
  readonly #held = new Queue<Buffer>();
  #heldBytes = 0;

  /** @param onOver called once, when everything has been sent, or the call has failed. */
  constructor(config: ValuesConfig, channel: CallChannel, onOver: () => void) {
    this.#config = config;
    this.#channel = channel;
    this.#onOver = onOver;
    this.#writer = config.format.writer();
    this.#room = new Room(config.budget, this);
  }

  /** Sends all values of a source. */
  send(source: unknown): void {
    this.#source = this.#sent$(source).subscribe({
      error: (error: unknown) => {
        this.fail(failureOf(error));
      },
      complete: () => {
        this.#end();
      },
    });
    if (this.#isOver) this.stop();
  }

  /** Ends with a failure. */
  fail(failure: Failure): void {
    if (this.#isOver) return;
    this.#writer.failure(failure, this.#config.messageBytes);
    this.#end();
  }

  /** Ends the source. Sends the values emitted so far, and nothing more. */
  stop(): void {
    this.#flush();
    this.#leaveSource();
  }

  /** Call this when some of the waiting bytes have been sent. */
  written(): void {
    this.#count();
    this.#room.wake();
  }

  /** Call this when the waiting bytes have been dropped. */
  dropped(): void {
    this.#room.close();
  }

  /** See {@link RoomUser}. */
  get waiting(): number {
    return this.#writer.length + this.#channel.waiting;
  }

  #count(): void {
    this.#room.count(this.#heldBytes);
  }

  #leaveSource(): void {
    this.#isOver = true;
    this.#room.clear();
    try {
      this.#source?.unsubscribe();
    } catch {
      // The source failed to clean up. Nobody waits for it any more; and it must not count as a fault of the peer, whose frame may end it.
    }
    this.#keepHeld(0);
  }

  #end(): void {
    if (this.#isOver) return;
    this.stop();
    this.#channel.end();
    this.#onOver();
  }

  /** See {@link RoomUser}. The calls of this peer have too many bytes that wait, and this one most. */
  giveWay(): void {
    if (this.#keepHeld(1)) return;
    const wasOver = this.#isOver;
    this.#leaveSource();
    this.#channel.reset({ code: 'overflow', message: 'too much waits for this node, and for this call most' });
    this.#room.close();
    if (!wasOver) this.#onOver();
  }

  #write(value: unknown): void {
    this.#writer.value(value, this.#config.messageBytes);
    if (this.#writer.length > BATCH_LENGTH) this.#flush();
    else if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      this.#config.soon(this.#flush);
    }
    this.#count();
  }

  readonly #flush = (): void => {
    this.#isFlushDue = false;
    if (this.#writer.length === 0 || this.#isOver) return;
    this.#channel.write(this.#writer.take());
    this.#count();
  };

  #sent$(source: unknown): Observable<never> {
    if (isPullable(source)) return this.#pull$(source);
    return isPromise(source) ? this.#await$(source) : this.#take$(observableOf(source));
  }

  /** Asks for a value only when there is room for it. */
  #pull$(source: Iterable<unknown> | AsyncIterable<unknown>): Observable<never> {
    return new Observable((subscriber) => {
      const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
      let isDone = false;
      const isGone = () => subscriber.closed;
      const pull = async () => {
        for (;;) {
          while (!this.#room.isFree) await this.#room.until(1);
          if (isGone()) return;
          const step = iterator.next();
          // This value may take its time: others can use the room meanwhile.
          if ('then' in step) this.#room.passOn();
          const result = 'then' in step ? await step : step;
          if (isGone()) return;
          if (result.done === true) break;
          for (const bytes = this.#bytesOf(result.value); !this.#room.fits(bytes);) await this.#room.until(bytes);
          if (isGone()) return;
          this.#write(result.value);
        }
        isDone = true;
        subscriber.complete();
      };
      pull().catch((error: unknown) => {
        subscriber.error(error);
      });
      return () => {
        if (!isDone) leave(iterator).catch(noop);
      };
    });
  }

  /** A Promise's value is encoded when there is room for it. */
  #await$(source: PromiseLike<unknown>): Observable<never> {
    return new Observable((subscriber) => {
      const isGone = () => subscriber.closed;
      const send = async () => {
        const value = await source;
        if (isGone()) return;
        for (const bytes = this.#bytesOf(value); !this.#room.fits(bytes);) await this.#room.until(bytes);
        if (isGone()) return;
        this.#write(value);
        subscriber.complete();
      };
      send().catch((error: unknown) => {
        subscriber.error(error);
      });
    });
  }

  /** An Observable cannot be told to wait: values for which there is no room queue up here, as the policy says. */
  #take$(value$: Observable<unknown>): Observable<never> {
    const { overflow, remoteBytes, messageBytes, format } = this.#config;
    this.#room.mayEvict();
    return new Observable((subscriber) => {
      const writer = format.writer();
      /** Tells the end of the source, once all that is held has been sent. */
      let tellEnd: () => void = noop;
      const release = () => {
        this.#flush();
        while (this.#held.length > 0 && this.waiting < HIGH_WATER_BYTES) {
          const bytes = this.#held.take() ?? NOTHING;
          this.#heldBytes -= bytes.length;
          this.#channel.write(bytes);
        }
        if (this.#held.length > 0) this.#room.onDrained(release);
        else tellEnd();
      };
      const hold = (value: unknown) => {
        writer.value(value, messageBytes);
        const bytes = writer.take();
        this.#held.push(bytes);
        this.#heldBytes += bytes.length;
        // The latest value is kept, however long it is.
        this.#keepHeld(overflow === 'latest' ? 1 : Infinity, remoteBytes);
        this.#room.onDrained(release);
        this.#count();
      };
      const next = (value: unknown) => {
        if (overflow !== 'fail' && (this.#held.length > 0 || this.waiting >= HIGH_WATER_BYTES)) hold(value);
        else this.#write(value);
        if (overflow === 'fail' && this.waiting > Math.max(remoteBytes, HIGH_WATER_BYTES))
          this.fail({
            kind: 'refused',
            name: 'overflow',
            message: `more than ${remoteBytes} bytes wait for the caller`,
          });
      };
      // A source that emits without a pause is ended by an operator alone: there is no Subscription yet that could end it.
      const sent$ = value$.pipe(
        takeWhile((value) => {
          next(value);
          return !this.#isOver;
        }),
      );
      return sent$.subscribe({
        error: (error: unknown) => {
          tellEnd = () => {
            subscriber.error(error);
          };
          release();
        },
        complete: () => {
          tellEnd = () => {
            subscriber.complete();
          };
          release();
        },
      });
    });
  }

  /** Drops the oldest values that are held, down to a number of them, and of bytes but for the latest. Returns whether it dropped any. */
  #keepHeld(most: number, mostBytes = Infinity): boolean {
    const before = this.#held.length;
    while (this.#held.length > most || (this.#held.length > 1 && this.#heldBytes > mostBytes))
      this.#heldBytes -= this.#held.take()?.length ?? 0;
    const hasDropped = this.#held.length < before;
    if (hasDropped) this.#count();
    return hasDropped;
  }

  /** How many bytes a value takes. It is encoded only to learn that, where bytes are short; 0 while they are not. */
  #bytesOf(value: unknown): number {
    const { budget, format, messageBytes } = this.#config;
    if (budget.hasRoom) return 0;
    const writer = format.writer();
    writer.value(value, messageBytes);
    return writer.take().length;
  }
}

const NOTHING = Buffer.alloc(0);
