import { from, isObservable, noop, Observable, takeWhile, type InteropObservable, type Subscription } from 'rxjs';
import { Queue } from '../bounds/queue.js';
import type { CallChannel } from './channel.js';
import type { Failure, Format, Writer } from './format.js';
import type { OverflowPolicy } from './interface.js';

/** A batch is written when it is this long, or when the current run of JavaScript ends. */
const BATCH_LENGTH = 32_768;

/** While this many bytes wait, an iterable is not asked for more, and an Observable's values queue up here. */
const HIGH_WATER_BYTES = 131_072;

/** What sending values needs. */
export interface ValuesConfig {
  readonly channel: CallChannel;
  readonly format: Format;
  readonly overflow: OverflowPolicy;
  /** How many bytes of an Observable's values may wait before the policy applies. */
  readonly remoteBytes: number;
  /** The longest value, in bytes. */
  readonly messageBytes: number;
  /** Runs an action at the end of the current run of JavaScript. */
  readonly soon: (action: () => void) => void;
  /** Called once, when everything has been sent, or the call has failed. */
  readonly onOver: () => void;
}

/** Sends the values of what a method returns. If the source can be told to wait, it waits until there is room. */
export class Values {
  readonly #config: ValuesConfig;
  readonly #writer: Writer;
  #isFlushDue = false;
  #isOver = false;
  #source: Subscription | undefined;
  /** Continues when there is room, if something waits for it. */
  #resume: (() => void) | undefined;

  constructor(config: ValuesConfig) {
    this.#config = config;
    this.#writer = config.format.writer();
  }

  /** Sends all values of a source. */
  send(source: unknown): void {
    const value$ = isPullable(source) ? this.#pull$(source) : this.#take$(observableOf(source));
    this.#source = value$.subscribe({
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
    this.#isOver = true;
    this.#resume = undefined;
    try {
      this.#source?.unsubscribe();
    } catch {
      // The source failed to clean up. Nobody waits for it any more; and it must not count as a fault of the peer, whose frame may end it.
    }
  }

  /** Call this when some of the waiting bytes have been sent. */
  written(): void {
    if (this.#waiting * 2 > HIGH_WATER_BYTES) return;
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }

  get #waiting(): number {
    return this.#writer.length + this.#config.channel.waiting;
  }

  #end(): void {
    if (this.#isOver) return;
    this.stop();
    this.#config.channel.end();
    this.#config.onOver();
  }

  #write(value: unknown): void {
    this.#writer.value(value, this.#config.messageBytes);
    if (this.#writer.length > BATCH_LENGTH) this.#flush();
    else if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      this.#config.soon(this.#flush);
    }
  }

  readonly #flush = (): void => {
    this.#isFlushDue = false;
    if (this.#writer.length > 0 && !this.#isOver) this.#config.channel.write(this.#writer.take());
  };

  /** Asks for a value only when there is room for it. */
  #pull$(source: Iterable<unknown> | AsyncIterable<unknown>): Observable<never> {
    return new Observable((subscriber) => {
      const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
      let isDone = false;
      const pull = async () => {
        for (;;) {
          const step = iterator.next();
          const result = 'then' in step ? await step : step;
          if (subscriber.closed) return;
          if (result.done === true) break;
          this.#write(result.value);
          if (this.#waiting < HIGH_WATER_BYTES) continue;
          await new Promise<void>((resolve) => {
            this.#resume = resolve;
          });
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

  /** An Observable cannot be told to wait: values for which there is no room queue up here, as the policy says. */
  #take$(value$: Observable<unknown>): Observable<never> {
    const { overflow, remoteBytes, messageBytes, format, channel } = this.#config;
    return new Observable((subscriber) => {
      const held = new Queue<Buffer>();
      const writer = format.writer();
      let heldBytes = 0;
      /** Tells the end of the source, once all that is held has been sent. */
      let tellEnd: () => void = noop;
      const takeHeld = () => {
        const bytes = held.take();
        heldBytes -= bytes?.length ?? 0;
        return bytes;
      };
      const release = () => {
        this.#flush();
        while (held.length > 0 && this.#waiting < HIGH_WATER_BYTES) channel.write(takeHeld() ?? NOTHING);
        if (held.length > 0) this.#resume = release;
        else tellEnd();
      };
      const hold = (value: unknown) => {
        writer.value(value, messageBytes);
        const bytes = writer.take();
        held.push(bytes);
        heldBytes += bytes.length;
        // The latest value is kept, however long it is.
        while (held.length > 1 && (overflow === 'latest' || heldBytes > remoteBytes)) takeHeld();
        this.#resume = release;
      };
      const next = (value: unknown) => {
        if (overflow !== 'fail' && (held.length > 0 || this.#waiting >= HIGH_WATER_BYTES)) hold(value);
        else this.#write(value);
        if (overflow === 'fail' && this.#waiting > Math.max(remoteBytes, HIGH_WATER_BYTES))
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
}

const NOTHING = Buffer.alloc(0);

/** @throws TypeError for a value that cannot become an Observable. */
function observableOf(source: unknown): Observable<unknown> {
  if (isObservable(source)) return source;
  if (source instanceof Promise || isInteroperable(source)) return from(source);
  throw new TypeError('Expected the method to return an Observable, a Promise, an iterable or an async iterable');
}

/** Another library's Promise or Observable. */
function isInteroperable(source: unknown): source is PromiseLike<unknown> | InteropObservable<unknown> {
  if (typeof source !== 'object' || source === null) return false;
  return ('then' in source && typeof source.then === 'function') || Symbol.observable in source;
}

function isPullable(source: unknown): source is Iterable<unknown> | AsyncIterable<unknown> {
  return (
    typeof source === 'object' &&
    source !== null &&
    !isObservable(source) &&
    (Symbol.asyncIterator in source || Symbol.iterator in source)
  );
}

/** Ends what an iterator holds. Its `return` may throw at once. */
async function leave(iterator: Iterator<unknown> | AsyncIterator<unknown>): Promise<void> {
  await iterator.return?.();
}

/** What the caller learns of an error: never its stack, which is this side's secret. */
export function failureOf(error: unknown): Failure {
  try {
    if (!(error instanceof Error)) return { kind: 'error', name: 'Error', message: String(error) };
    const code = 'code' in error ? error.code : undefined;
    const hasCode = typeof code === 'string' || typeof code === 'number';
    const { name, message }: { readonly name: unknown; readonly message: unknown } = error;
    return { kind: 'error', name: String(name), message: String(message), ...(hasCode && { code }) };
  } catch {
    // Anything can be thrown, even a value that cannot become a string.
    return { kind: 'error', name: 'Error', message: 'an error that cannot be put into words' };
  }
}
