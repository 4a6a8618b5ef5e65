import { Duplex } from 'node:stream';
import { defer, finalize, mergeMap, Observable, Subject, type ObservableInput } from 'rxjs';
import { Queue } from '../bounds/queue.js';
import { ownBytes } from '../bounds/own-bytes.js';
import { ClosedError } from '../errors.js';
import { lineDecoder } from '../link/lines.js';

/** What an inbox needs. */
export interface InboxConfig {
  /** The longest line, in bytes. */
  readonly lineBytes: number;
  /** More is not taken in while nobody reads. */
  readonly readAheadBytes: number;
  /** Called when {@link Inbox.wantsMore} may have changed. */
  readonly onChange: () => void;
  /** Called once, when everything has been read up to the peer's end. */
  readonly onDelivered: () => void;
  /** Called when the bytes are no lines. */
  readonly onFault: (fault: Error) => void;
}

/** What a piece costs besides its bytes, so that a peer that sends ever so small ones is not read without bound. */
const PIECE_OVERHEAD = 128;

/** The two ways in which a {@link Duplex} over a connection acts on it. */
export interface DuplexSource {
  /** Writes; the callback is called when more may be written. */
  readonly write: (chunk: Buffer, done: (error?: Error) => void) => void;
  readonly close: () => void;
}

/**
 * The reading half of a connection: bytes wait here, a bounded number of them, until somebody reads them as lines (or as
 * a Node stream). Bytes become lines only when they are read.
 */
export class Inbox {
  /** See `Connection.lines$`. */
  readonly lines$: Observable<string>;

  readonly #config: InboxConfig;
  readonly #lines = new Subject<string>();
  readonly #decoder;
  #bytes = new Queue<Buffer>();
  #length = 0;
  /** The lines of the piece that is being read. */
  #current: string[] = [];
  #next = 0;
  #readers = 0;
  #hasRead = false;
  #busy = 0;
  #delivering = false;
  #duplex: Duplex | undefined;
  #duplexWants = false;
  /** The application has destroyed its stream, and wants no more. */
  #isAbandoned = false;
  #state: 'open' | 'ended' | 'cut' | 'delivered' = 'open';

  constructor(config: InboxConfig) {
    this.#config = config;
    this.#decoder = lineDecoder(config.lineBytes);
    this.lines$ = new Observable((subscriber) => {
      if (this.#duplex !== undefined) {
        subscriber.complete();
        return undefined;
      }
      this.#readers++;
      const subscription = this.#lines.subscribe(subscriber);
      // Not at once, so that everyone who subscribes in the same breath gets the same lines.
      queueMicrotask(() => {
        this.#deliver();
      });
      return () => {
        this.#readers--;
        subscription.unsubscribe();
        this.#config.onChange();
      };
    });
  }

  /** Whether somebody reads. */
  get hasReader(): boolean {
    return this.#readers > 0 || (this.#duplex !== undefined && !this.#isAbandoned);
  }

  /** Whether there is room for more. */
  get wantsMore(): boolean {
    return this.#length < this.#config.readAheadBytes;
  }

  /** Whether what comes is not kept. */
  get #readsAtOnce(): boolean {
    return this.#duplex === undefined ? this.#readers > 0 && this.#busy === 0 && !this.#delivering : this.#duplexWants;
  }

  /** Takes in what has arrived. */
  push(bytes: Buffer): void {
    if (this.#state !== 'open' || this.#isAbandoned) return;
    this.#bytes.push(this.#readsAtOnce ? bytes : ownBytes(bytes));
    this.#length += bytes.length + PIECE_OVERHEAD;
    this.#deliver();
  }

  /** No more will arrive. After a `cut`, a last line without its end is not a whole line, and is left out. */
  end(how: 'ended' | 'cut'): void {
    if (this.#state !== 'open') return;
    this.#state = how;
    this.#deliver();
  }

  /** See `Connection.eachLine$`. */
  eachLine$<T>(project: (text: string) => ObservableInput<T>, concurrent: number): Observable<T> {
    return defer(() => {
      let active = 0;
      return this.lines$.pipe(
        mergeMap((text) => {
          if (++active === concurrent) this.#busy++;
          return defer(() => project(text)).pipe(
            finalize(() => {
              if (active-- !== concurrent) return;
              this.#busy--;
              this.#deliver();
            }),
          );
        }, concurrent),
      );
    });
  }

  /** See `Connection.toDuplex`. */
  toDuplex({ write, close }: DuplexSource): Duplex {
    if (this.#duplex !== undefined) return this.#duplex;
    if (this.#readers > 0 || this.#hasRead || this.#state === 'delivered') {
      throw new ClosedError('Expected `toDuplex` to be called before any line was read, but `lines$` has been in use');
    }
    this.#duplex = new Duplex({
      allowHalfOpen: false,
      read: () => {
        this.#duplexWants = true;
        this.#deliver();
      },
      write: (chunk: Buffer, _encoding, done) => {
        write(chunk, done);
      },
      final: (done) => {
        close();
        done();
      },
      destroy: (error, done) => {
        this.#isAbandoned = true;
        this.#drop();
        close();
        this.#config.onChange();
        done(error);
      },
    });
    return this.#duplex;
  }

  #deliver(): void {
    // A reader may stop, or begin something slow, from within its own call.
    if (this.#delivering) return;
    this.#delivering = true;
    if (this.#duplex === undefined) this.#deliverLines();
    else this.#deliverBytes(this.#duplex);
    this.#delivering = false;
    this.#config.onChange();
  }

  #deliverLines(): void {
    while (this.#readers > 0 && this.#busy === 0) {
      const text = this.#current[this.#next];
      if (text !== undefined) {
        this.#next++;
        this.#lines.next(text);
        continue;
      }
      if (this.#decoder.fault !== undefined && this.#state !== 'delivered') {
        this.#finish();
        this.#config.onFault(this.#decoder.fault);
      } else if (!this.#readMore()) {
        return;
      }
    }
  }

  /** Makes lines of the next bytes. Returns false when there are none. */
  #readMore(): boolean {
    this.#next = 0;
    this.#current = [];
    const bytes = this.#takeBytes();
    if (bytes !== undefined) {
      this.#hasRead = true;
      this.#current = this.#decoder.push(bytes);
      return true;
    }
    if (this.#state === 'ended') {
      this.#current = this.#decoder.end();
      this.#state = 'cut';
      return true;
    }
    if (this.#state === 'cut') {
      this.#finish();
      this.#config.onDelivered();
    } else if (this.#state === 'delivered') this.#lines.complete();
    return false;
  }

  #deliverBytes(duplex: Duplex): void {
    while (this.#duplexWants) {
      const bytes = this.#takeBytes();
      if (bytes === undefined) break;
      // A stream that flows hands it on at once; another keeps it.
      const isPassedOn = duplex.readableFlowing === true && duplex.readableLength === 0;
      this.#duplexWants = duplex.push(isPassedOn ? bytes : ownBytes(bytes));
    }
    if (this.#length > 0 || this.#state === 'open' || this.#state === 'delivered') return;
    if (this.#state === 'ended') duplex.push(null);
    else duplex.destroy(new ClosedError('The link broke before the stream was at its end'));
    this.#state = 'delivered';
  }

  #takeBytes(): Buffer | undefined {
    const bytes = this.#bytes.take();
    if (bytes !== undefined) this.#length -= bytes.length + PIECE_OVERHEAD;
    return bytes;
  }

  #drop(): void {
    this.#bytes = new Queue();
    this.#length = 0;
  }

  #finish(): void {
    this.#state = 'delivered';
    this.#drop();
    this.#lines.complete();
  }
}
