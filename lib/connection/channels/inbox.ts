import { Duplex } from 'node:stream';
import { defer, EMPTY, finalize, from, mergeMap, Observable, tap, type ObservableInput } from 'rxjs';
import type { BegunBytes, BegunShare } from '../../bounds/begun-bytes.js';
import { ByteQueue } from '../../bounds/byte-queue.js';
import { ownBytes } from '../../bounds/own-bytes.js';
import type { Limits } from '../../config.js';
import { ClosedError } from '../../errors.js';
import { lineDecoder } from '../../link/lines.js';
import { ItemReader, type ItemSource } from './item-reader.js';
import { messageDecoder, type Decoder } from '../../link/messages.js';

/** What an inbox needs: of its owner rather than in closures, of which each channel would keep its own. */
export interface InboxConfig {
  readonly limits: Pick<Limits, 'lineBytes' | 'messageBytes' | 'sendHighWaterBytes'>;
  /** What all channels of the connection may hold together of lines and messages that are not whole; none where there is no credit. */
  readonly begun?: BegunBytes | undefined;
  /** Called when bytes have been read, with their number: there is room for as many more. */
  onRead(bytes: number): void;
  /** Called when a reader has left. */
  onLeave(): void;
  /** Called when something has arrived or has been read. */
  onChange(): void;
  /** Called once, when everything has been read up to the peer's end. */
  onDelivered(): void;
  /** Called when the bytes cannot be read as lines, or as messages. */
  onFault(fault: Error): void;
}

/** How a {@link Duplex} over a channel acts on it. */
export interface DuplexSource {
  /** Writes; the callback is called when more may be written. */
  readonly write: (chunk: Buffer, done: (error?: Error) => void) => void;
  /** Sends nothing more. */
  readonly close: () => void;
  /** Ends the channel at once: the stream was destroyed by an error, so that what was sent may not be whole. */
  readonly abort: () => void;
  /** Whether this side may go on sending when the peer has ended. */
  readonly allowHalfOpen: boolean;
}

/**
 * The reading half of a channel: bytes wait here until somebody reads them as lines, as messages, or as a Node stream. They are decoded
 * only when they are read. The channel's credit bounds how many may wait.
 */
export class Inbox implements ItemSource {
  readonly #config: InboxConfig;
  /** What waits to be read; only where something has waited. */
  #bytes: ByteQueue | undefined;
  readonly #share: BegunShare | undefined;
  #lines: ItemReader<string> | undefined;
  #messages: ItemReader<Buffer> | undefined;
  #duplex: Duplex | undefined;
  #duplexWants = false;
  /** Somebody has read the Node stream. */
  #hasDuplexRead = false;
  /** All that was written to the Node stream has been handed over. */
  #isDuplexFinished = false;
  #hasRead = false;
  /** How many `each…$` readers work on as many items as they take at a time. */
  #busy = 0;
  /** How many lines or messages they work on: one of them may still send an answer. */
  #underWay = 0;
  #delivering = false;
  /** Nobody will read any more: what comes is dropped. */
  #isAbandoned = false;
  #state: 'open' | 'ended' | 'cut' | 'delivered' = 'open';

  constructor(config: InboxConfig) {
    this.#config = config;
    this.#share = config.begun?.share(config);
  }

  /** See `Channel.lines$`. */
  get lines$(): Observable<string> {
    return new Observable((subscriber) => {
      if (this.#duplex !== undefined || this.#isUsed(this.#messages)) {
        subscriber.complete();
        return undefined;
      }
      this.#messages = undefined;
      this.#lines ??= this.#readerOf(lineDecoder(this.#config.limits.lineBytes));
      return this.#lines.join(subscriber);
    });
  }

  /** See `Channel.messages$`. */
  get messages$(): Observable<Buffer> {
    return new Observable((subscriber) => {
      if (this.#duplex !== undefined || this.#isUsed(this.#lines)) {
        subscriber.error(inUse('`messages$`', this.#duplex === undefined ? '`lines$`' : '`toDuplex`'));
        return undefined;
      }
      this.#lines = undefined;
      this.#messages ??= this.#readerOf(messageDecoder(this.#config.limits.messageBytes));
      return this.#messages.join(subscriber);
    });
  }

  /** Whether somebody reads. */
  get hasReader(): boolean {
    return (this.#reader?.readers ?? 0) > 0 || (this.#duplex !== undefined && !this.#isAbandoned);
  }

  /** Whether somebody reads, and has not read everything up to the end. */
  get isReading(): boolean {
    return this.hasReader && (this.#state !== 'delivered' || this.#isDuplexBusy);
  }

  /** Whether somebody reads a Node stream that still holds bytes, or still writes an answer: that is ended after its last byte. */
  get #isDuplexBusy(): boolean {
    if (this.#duplex === undefined || !this.#hasDuplexRead) return false;
    const { readableEnded, writableEnded, allowHalfOpen } = this.#duplex;
    return !readableEnded || ((writableEnded || !allowHalfOpen) && !this.#isDuplexFinished);
  }

  /** How many bytes wait to be read. */
  get waiting(): number {
    return this.#bytes?.length ?? 0;
  }

  /** Whether all that has come has been read, but for a line or message that is not whole. */
  get isRead(): boolean {
    return this.waiting === 0 && this.#reader?.hasMore !== true;
  }

  get #reader(): ItemReader<string> | ItemReader<Buffer> | undefined {
    return this.#lines ?? this.#messages;
  }

  /** Takes in what has arrived. */
  push(bytes: Buffer): void {
    if (this.#state !== 'open') return;
    if (this.#isAbandoned) this.#config.onRead(bytes.length);
    else if (this.#readsAtOnce) this.#deliver(bytes);
    else {
      this.#keep(bytes);
      this.#deliver();
    }
  }

  /** No more will arrive. After a `cut`, a last line without its line end may be incomplete, and is dropped. */
  end(how: 'ended' | 'cut'): void {
    if (this.#state !== 'open') return;
    this.#state = how;
    this.#deliver();
  }

  /** Nobody will read any more: drops what waits and what comes, so that the peer can send up to its end. */
  abandon(): void {
    if (this.#isAbandoned) return;
    this.#isAbandoned = true;
    this.#share?.close();
    const { waiting: length } = this;
    this.#bytes = undefined;
    if (length > 0) this.#config.onRead(length);
  }

  /** The channel is over: what is left here is the application's, and does not count for the connection any more. */
  release(): void {
    this.#share?.close();
  }

  /** No more will arrive, and what waits is lost. */
  discard(): void {
    this.#reader?.clear();
    this.abandon();
    this.end('cut');
    this.#deliver();
  }

  /** See `Channel.eachLine$`. */
  eachLine$<T>(project: (text: string) => ObservableInput<T>, concurrent: number): Observable<T> {
    return this.#each$(this.lines$, project, concurrent);
  }

  /** See `Channel.eachMessage$`. */
  eachMessage$<T>(project: (message: Buffer) => ObservableInput<T>, concurrent: number): Observable<T> {
    return this.#each$(this.messages$, project, concurrent);
  }

  /** See `Channel.toDuplex`. */
  toDuplex({ write, close, abort, allowHalfOpen }: DuplexSource): Duplex {
    if (this.#duplex !== undefined) return this.#duplex;
    if (this.hasReader || this.#hasRead || this.#state === 'delivered')
      throw inUse('`toDuplex`', this.#messages === undefined ? '`lines$`' : '`messages$`');
    this.#lines = undefined;
    this.#messages = undefined;
    this.#duplex = new Duplex({
      allowHalfOpen,
      // Node takes no fractions, and no infinity.
      writableHighWaterMark: Math.floor(Math.min(this.#config.limits.sendHighWaterBytes / 2, Number.MAX_SAFE_INTEGER)),
      read: () => {
        this.#duplexWants = this.#hasDuplexRead = true;
        this.#deliver();
      },
      write: (chunk: Buffer, _encoding, done) => {
        write(chunk, done);
      },
      final: (done) => {
        this.#isDuplexFinished = true;
        this.#config.onChange();
        close();
        done();
      },
      destroy: (error, done) => {
        this.abandon();
        if (error === null) close();
        else abort();
        this.#config.onLeave();
        done(error);
      },
    });
    // A reader that pipes it on has ended the answer by then.
    this.#duplex.once('end', () => {
      queueMicrotask(() => {
        this.#config.onChange();
      });
    });
    return this.#duplex;
  }

  #each$<I, T>(items$: Observable<I>, project: (item: I) => ObservableInput<T>, concurrent: number): Observable<T> {
    return defer(() => {
      // Counted here and not when its work begins: `mergeMap` queues it until the one before is done.
      let underWay = 0;
      const count = (change: number) => {
        const wasBusy = underWay >= concurrent;
        underWay += change;
        this.#underWay += change;
        this.#busy += Number(underWay >= concurrent) - Number(wasBusy);
      };
      return items$.pipe(
        tap(() => {
          count(1);
        }),
        mergeMap((item) => {
          const work = project(item);
          // Most messages of a busy program are done with at once: one operator less for each.
          if (work === EMPTY) {
            count(-1);
            return EMPTY;
          }
          return from(work).pipe(
            finalize(() => {
              count(-1);
              this.#deliver();
            }),
          );
        }, concurrent),
        finalize(() => {
          count(-underWay);
        }),
      );
    });
  }

  /** Whether somebody reads in this way, or has before. */
  #isUsed(reader: { readonly readers: number } | undefined): boolean {
    return reader !== undefined && (this.#hasRead || reader.readers > 0);
  }

  #readerOf<T>(decoder: Decoder<T>): ItemReader<T> {
    return new ItemReader(decoder, this);
  }

  /** Somebody has subscribed. Not at once, so that all who subscribe in the same run of JavaScript get the same lines. */
  onJoin(): void {
    queueMicrotask(() => {
      this.#deliver();
    });
  }

  /** Somebody has unsubscribed. */
  onLeave(): void {
    this.#config.onLeave();
  }

  #keep(bytes: Buffer): void {
    (this.#bytes ??= new ByteQueue()).push(bytes);
  }

  /** Whether what comes is handed on before the next bytes come, so that it need not be copied. */
  get #readsAtOnce(): boolean {
    if (this.#delivering || this.waiting > 0) return false;
    if (this.#duplex !== undefined) return this.#duplexWants;
    return (this.#reader?.readers ?? 0) > 0 && this.#busy === 0;
  }

  /** @param fresh the bytes that have just come, if none wait before them. */
  #deliver(fresh?: Buffer): void {
    // A reader may unsubscribe, or start slow work, while it is being called.
    if (this.#delivering) return;
    this.#delivering = true;
    const reader = this.#reader;
    if (this.#duplex !== undefined) this.#deliverBytes(this.#duplex, fresh);
    else if (reader !== undefined) this.#deliverItems(reader, fresh);
    this.#delivering = false;
    this.#config.onChange();
  }

  #deliverItems(reader: ItemReader<string> | ItemReader<Buffer>, fresh: Buffer | undefined): void {
    let next = fresh;
    while (reader.readers > 0 && this.#busy === 0) {
      if (reader.handOut()) continue;
      const { fault } = reader;
      if (fault !== undefined && this.#state !== 'delivered') {
        this.#finish();
        this.#config.onFault(fault);
        return;
      }
      const bytes = next ?? this.#bytes?.take();
      next = undefined;
      if (bytes !== undefined) this.#read(reader, bytes);
      else if (!this.#readEnd(reader)) return;
    }
    // All readers left, or became busy, before these bytes were read.
    if (next !== undefined) this.#keep(next);
  }

  #read(reader: ItemReader<string> | ItemReader<Buffer>, bytes: Buffer): void {
    this.#hasRead = true;
    reader.push(bytes);
    if (this.#share === undefined) this.#config.onRead(bytes.length);
    else this.#share.read(bytes.length, reader.begun);
  }

  /** There are no more bytes. Returns whether a last item is left to hand out. */
  #readEnd(reader: ItemReader<string> | ItemReader<Buffer>): boolean {
    if (this.#state === 'ended') {
      reader.end();
      this.#state = 'cut';
      return true;
    }
    if (this.#state === 'cut') {
      if (this.#underWay > 0) return false;
      this.#finish();
      this.#config.onDelivered();
    } else if (this.#state === 'delivered') reader.complete();
    return false;
  }

  #deliverBytes(duplex: Duplex, fresh: Buffer | undefined): void {
    let next = fresh;
    while (this.#duplexWants) {
      const bytes = next ?? this.#bytes?.take();
      next = undefined;
      if (bytes === undefined) break;
      // A flowing stream hands the bytes on at once; a paused one keeps them.
      const isPassedOn = duplex.readableFlowing === true && duplex.readableLength === 0;
      this.#duplexWants = pushTo(duplex, isPassedOn ? bytes : ownBytes(bytes));
      this.#config.onRead(bytes.length);
    }
    if (next !== undefined) this.#keep(next);
    if (this.waiting > 0 || this.#state === 'open' || this.#state === 'delivered') return;
    if (this.#state === 'ended') duplex.push(null);
    else duplex.destroy(new ClosedError('The channel ended before the stream was at its end'));
    this.#state = 'delivered';
  }

  #finish(): void {
    this.#state = 'delivered';
    this.#bytes = undefined;
    this.#share?.close();
    this.#reader?.complete();
  }
}

/** An exception of a listener ends this stream only. Returns whether the stream takes more. */
function pushTo(duplex: Duplex, bytes: Buffer): boolean {
  try {
    return duplex.push(bytes);
  } catch (error) {
    duplex.destroy(error instanceof Error ? error : new Error(String(error)));
    return false;
  }
}

function inUse(what: string, before: string): ClosedError {
  return new ClosedError(`Expected ${what} to be used before anything was read, but ${before} has been in use`);
}
