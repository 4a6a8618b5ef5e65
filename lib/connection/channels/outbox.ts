import {
  concat,
  defer,
  EMPTY,
  from,
  ignoreElements,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  noop,
  Observable,
  Subject,
  take,
  type ObservableInput,
} from 'rxjs';
import { Gathered } from '../../bounds/gathered.js';
import type { Limits } from '../../config.js';
import { ClosedError, InvalidMessageError, SendBufferFullError } from '../../errors.js';
import { expectLine } from '../../link/lines.js';
import type { Blocks } from './blocks.js';

/** What an outbox needs. */
export interface OutboxConfig {
  readonly limits: Pick<Limits, 'lineBytes' | 'messageBytes' | 'sendHighWaterBytes' | 'sendMaxBytes'>;
  /** Where what is long is copied to, until the peer has it; by default to memory of its own. */
  readonly blocks?: Blocks | undefined;
  /** What ends a line. */
  readonly lineEnd: string;
  /** Emits when the channel has ended. */
  readonly closed$: Observable<{ readonly message: string }>;
  /** Writes to the channel. */
  write(bytes: Buffer): void;
  /** How many bytes wait in the channel. */
  waiting(): number;
  /** Called when more than `sendMaxBytes` wait. */
  onFault(error: Error): void;
}

/** A batch is written when it is this long, in UTF-16 units, or when the current run of JavaScript ends. */
const BATCH_LENGTH = 32_768;

/** Messages of at least this length, in bytes, are written by themselves; shorter ones are joined. */
const LONG_MESSAGE_BYTES = 8_192;

/** Long bytes are copied so many at a time: as many as one frame has. */
const COPIED_BYTES = 65_536;

/**
 * The writing half of a channel. Lines or messages that are sent in one run of JavaScript become one write, which means few, large TLS
 * records and few system calls. Writers are told when to wait.
 */
export class Outbox {
  readonly #config: OutboxConfig;
  /** Those who wait until there is room, and until nothing waits; only where somebody does. */
  #drain: Subject<void> | undefined;
  #empty: Subject<void> | undefined;
  #isFinished = false;
  /** Lines that are gathered: joining them at the end takes half the time of appending each to one text. */
  #lines: string[] | undefined;
  /** How long they are together, in UTF-16 units. */
  #linesLength = 0;
  #messages: Gathered | undefined;
  /** Whether the last messages that were written together were many: then so are the next, as a rule. */
  #isMessagesLong = false;
  /** What was sent first: a peer that reads lines cannot read messages, nor the other way round. */
  #use: 'lines' | 'messages' | undefined;
  #open = true;
  #mustDrain = false;

  constructor(config: OutboxConfig) {
    this.#config = config;
  }

  /** See `Connection.drain$`. */
  get drain$(): Observable<void> {
    return defer(() => (this.#isFinished ? EMPTY : (this.#drain ??= new Subject())));
  }

  get #empty$(): Observable<void> {
    return this.#isFinished ? EMPTY : (this.#empty ??= new Subject());
  }

  /** How much was sent and has not gone to the system yet, in bytes (lines of the current batch count in UTF-16 units). */
  get buffered(): number {
    return this.#linesLength + (this.#messages?.length ?? 0) + this.#config.waiting();
  }

  /** See `Connection.send`. */
  send(text: string): boolean {
    expectLine(text, this.#config.limits.lineBytes);
    if (!this.#open) return false;
    this.#useFor('lines');
    if (this.#lines === undefined) this.#flushSoon();
    (this.#lines ??= []).push(text);
    this.#linesLength += text.length + this.#config.lineEnd.length;
    if (this.#linesLength > BATCH_LENGTH) this.flush();
    return this.#mayGoOn();
  }

  /** See `Channel.sendMessage`. */
  sendMessage(message: Uint8Array): boolean {
    const { messageBytes } = this.#config.limits;
    if (!(message instanceof Uint8Array))
      throw new InvalidMessageError('Expected a message of bytes, got something else');
    if (message.length > messageBytes)
      throw new InvalidMessageError(`Expected a message of at most ${messageBytes} bytes, got ${message.length}`);
    if (!this.#open) return false;
    this.#useFor('messages');
    const messages = (this.#messages ??= this.#newMessages());
    if (messages.length === 0) this.#beginMessages(messages);
    if (message.length < LONG_MESSAGE_BYTES) messages.pushWithLength(message);
    else {
      messages.pushUInt32(message.length);
      this.flush();
      this.#writeCopy(message);
    }
    if (messages.length > BATCH_LENGTH) this.flush();
    return this.#mayGoOn();
  }

  /** Sends bytes as they are; the callback is called when more may be sent. The caller may change them as soon as this returns. */
  sendBytes(bytes: Buffer, done: (error?: Error) => void): void {
    if (!this.#open) {
      done(new ClosedError('The channel ended before all was sent'));
      return;
    }
    this.#useFor('lines');
    this.flush();
    this.#writeCopy(bytes);
    if (this.#mayGoOn()) done();
    else {
      this.#until$(this.drain$).subscribe({
        complete: done,
        error: (error: unknown) => {
          done(error instanceof Error ? error : new ClosedError(String(error)));
        },
      });
    }
  }

  /** See `Connection.sendAll`. */
  sendAll(lines: ObservableInput<string>): Observable<never> {
    const sent$ = isIterable(lines) ? this.#pull$(lines) : this.#sendAsTheyCome$(from(lines));
    // The last lines may still wait to be written.
    const drained$ = defer(() => {
      this.flush();
      return this.buffered === 0 ? EMPTY : this.#until$(this.#empty$);
    });
    return concat(sent$, drained$);
  }

  /** Writes what has been gathered. */
  flush(): void {
    if (this.#lines !== undefined) {
      // The last line has an end, too.
      this.#lines.push('');
      const { blocks, lineEnd } = this.#config;
      const text = this.#lines.join(lineEnd);
      this.#lines = undefined;
      this.#linesLength = 0;
      this.#write(blocks?.encode(text) ?? Buffer.from(text));
    }
    if (this.#messages !== undefined && this.#messages.length > 0) this.#writeMessages(this.#messages.take());
  }

  /** Writes what has been gathered, and nothing more after it. */
  close(): void {
    this.flush();
    this.#open = false;
  }

  /** Nothing will be written any more: completes `drain$`. */
  finish(): void {
    this.close();
    this.#isFinished = true;
    this.#drain?.complete();
    this.#empty?.complete();
  }

  /** Call this when some of the waiting bytes have been sent. */
  written(): void {
    const { buffered } = this;
    if (buffered === 0) this.#empty?.next();
    // Before all is gone, so that the writer has refilled the channel before it runs dry.
    if (!this.#mustDrain || buffered > (3 / 4) * this.#config.limits.sendHighWaterBytes) return;
    this.#mustDrain = false;
    this.#drain?.next();
  }

  #newMessages(): Gathered {
    const { blocks } = this.#config;
    return blocks === undefined ? new Gathered() : new Gathered((bytes) => blocks.allocate(bytes));
  }

  #beginMessages(messages: Gathered): void {
    if (this.#isMessagesLong) messages.reserve(BATCH_LENGTH);
    this.#flushSoon();
  }

  #writeMessages(bytes: Buffer): void {
    this.#isMessagesLong = bytes.length > BATCH_LENGTH / 2;
    this.#write(this.#config.blocks?.lend(bytes) ?? bytes);
  }

  #flushSoon(): void {
    queueMicrotask(() => {
      this.flush();
    });
  }

  #useFor(use: 'lines' | 'messages'): void {
    this.#use ??= use;
    if (this.#use !== use)
      throw new ClosedError(`Expected a channel of ${this.#use} to send no ${use}: open another channel for them`);
  }

  #write(bytes: Buffer): void {
    if (this.#open) this.#config.write(bytes);
  }

  /** They are sent again when a link breaks before the peer has them: by then whoever wrote them may have used their memory for something else. */
  #writeCopy(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length; start += COPIED_BYTES) {
      const part = bytes.subarray(start, start + COPIED_BYTES);
      this.#write(this.#config.blocks?.copyOf(part) ?? Buffer.from(part));
    }
  }

  #mayGoOn(): boolean {
    const { sendHighWaterBytes, sendMaxBytes } = this.#config.limits;
    if (this.buffered < sendHighWaterBytes) return true;
    this.#mustDrain = true;
    if (this.buffered > sendMaxBytes) this.#config.onFault(new SendBufferFullError(sendMaxBytes));
    return false;
  }

  /** Completes at an event; fails when the channel ends first. */
  #until$(event$: Observable<void>): Observable<never> {
    const ended$ = this.#config.closed$.pipe(
      map(({ message }) => {
        throw new ClosedError(`The channel ended before all was sent: ${message}`);
      }),
    );
    return merge(event$, ended$).pipe(take(1), ignoreElements());
  }

  #sendOrThrow(text: string): boolean {
    if (!this.#open) throw new ClosedError('The channel ended before all was sent');
    return this.send(text);
  }

  /** An Observable cannot be told to wait: its lines queue up here, up to a limit. */
  #sendAsTheyCome$(lines$: Observable<string>): Observable<never> {
    const most = this.#config.limits.sendMaxBytes / 2;
    return lines$.pipe(
      mergeMap((text) => {
        if (this.buffered > most) throw new SendBufferFullError(most);
        this.#sendOrThrow(text);
        return EMPTY;
      }),
    );
  }

  /** An iterable is asked for a line only when there is room for it. */
  #pull$(lines: Iterable<string> | AsyncIterable<string>): Observable<never> {
    return new Observable((subscriber) => {
      const iterator = Symbol.asyncIterator in lines ? lines[Symbol.asyncIterator]() : lines[Symbol.iterator]();
      const isGone = () => subscriber.closed;
      const pull = async () => {
        for (;;) {
          const result = await iterator.next();
          if (isGone()) return;
          if (result.done === true) break;
          if (!this.#sendOrThrow(result.value)) {
            await lastValueFrom(this.#until$(this.drain$), { defaultValue: undefined });
            if (isGone()) return;
          }
        }
        subscriber.complete();
      };
      pull().catch((error: unknown) => {
        subscriber.error(error);
      });
      // The source may hold a resource that it releases when it is returned.
      return () => {
        void Promise.resolve(iterator.return?.()).catch(noop);
      };
    });
  }
}

function isIterable<T>(input: ObservableInput<T>): input is Iterable<T> | AsyncIterable<T> {
  return typeof input === 'object' && (Symbol.asyncIterator in input || Symbol.iterator in input);
}
