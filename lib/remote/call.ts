import { concatMap, dematerialize, materialize, noop, Observable, tap, type Subscriber } from 'rxjs';
import {
  ClosedError,
  InvalidMessageError,
  ProtocolError,
  reasonOf,
  RemoteError,
  RemoteRefusedError,
} from '../errors.js';
import type { BegunReader, BegunShare } from '../bounds/begun-bytes.js';
import type { CallHandler, CallOpening, CallReset, EndReason, HeldChannel, OpenForCall } from './channel.js';
import type { Failure, Format, Reader, Sink } from './format.js';
import { oneLine } from '../words.js';
import { validate, type StandardSchema } from './schema.js';

/** What calling a method needs. */
export interface CallConfig {
  /** Opens a channel for the call. */
  readonly open: OpenForCall;
  readonly format: Format;
  /** The longest list of arguments and the longest value, in bytes. */
  readonly messageBytes: number;
  /** The object and method, for messages. */
  readonly what: string;
  readonly method: string;
  readonly args: readonly unknown[];
  readonly schema: StandardSchema | undefined;
}

/**
 * Calls a method of an object at the peer, once for each subscription. Emits its values, and completes when it does. Unsubscribing ends
 * the call at the peer. The first value takes one round trip; the peer sends the others without being asked again. While many calls are
 * under way, it waits for its turn.
 *
 * @throws RemoteError when the method fails; RemoteRefusedError when the peer refuses or stops the call; ClosedError when the connection
 * ends first; TooManyChannelsError when too many calls wait for their turn; InvalidMessageError for arguments that cannot be sent;
 * ProtocolError for an answer that cannot be read.
 */
export function call$(config: CallConfig): Observable<unknown> {
  const { schema } = config;
  if (schema === undefined) return new Observable((subscriber) => new Call(config, subscriber).teardown);
  return new Observable((subscriber) => {
    // Values that the schema has not decided on: before it has, the peer sends no more than its window.
    let waiting = 0;
    let readOn = noop;
    const value$ = new Observable<unknown>((values) => {
      const call = new Call(config, values, () => waiting === 0);
      readOn = call.readOn;
      return call.teardown;
    });
    const valid$ = value$.pipe(
      tap(() => waiting++),
      // A failure waits for the values before it, too.
      materialize(),
      concatMap(async (notification) => {
        if (notification.kind !== 'N') return notification;
        const value = await validValue(config.what, schema, notification.value);
        waiting--;
        readOn();
        return { kind: 'N' as const, value };
      }),
      dematerialize(),
    );
    return valid$.subscribe(subscriber);
  });
}

/** @throws RemoteRefusedError for a value that does not fit, and whatever the schema throws. */
async function validValue(what: string, schema: StandardSchema, value: unknown): Promise<unknown> {
  const validated = await validate(schema, value);
  if (validated.isValid) return validated.value;
  const message = `${what} gave a value that does not fit: ${oneLine(validated.message)}`;
  throw new RemoteRefusedError('invalid-value', message);
}

/** One call that is under way. There may be many thousands a second: it takes what comes itself, without a closure for each. */
class Call implements CallOpening, CallHandler, BegunReader, Sink {
  readonly #config: CallConfig;
  readonly #subscriber: Subscriber<unknown>;
  readonly #hasRoom: () => boolean;
  /** The method and its arguments, until they are sent. */
  #request: Buffer | undefined;
  #held: HeldChannel | undefined;
  /** Has it wait no more for its turn. */
  #leaveQueue = noop;
  #share: BegunShare | undefined;
  #reader: Reader | undefined;
  /** Bytes that came while there was no room. */
  #unread = 0;
  #isOver = false;

  /** @param hasRoom whether the peer may send more. When that changes, `readOn` is to be called. */
  constructor(config: CallConfig, subscriber: Subscriber<unknown>, hasRoom = always) {
    this.#config = config;
    this.#subscriber = subscriber;
    this.#hasRoom = hasRoom;
    try {
      this.#request = this.#encoded();
      this.#leaveQueue = config.open(this);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** See {@link CallOpening}. */
  get bytes(): number {
    return this.#request?.length ?? 0;
  }

  readonly teardown = (): void => {
    if (this.#isOver) return;
    this.#finish();
    this.#held?.channel.reset({ code: 'reset', message: 'unsubscribed' });
  };

  /** See `BegunReader`. */
  onRead(bytes: number): void {
    this.#unread += bytes;
    this.readOn();
  }

  /** Lets the peer send as much again as has been read. */
  readonly readOn = (): void => {
    if (this.#unread === 0 || !(this.#isOver || this.#hasRoom())) return;
    this.#held?.channel.read(this.#unread);
    this.#unread = 0;
  };

  /** @throws InvalidMessageError */
  #encoded(): Buffer {
    const { format, method, args, what, messageBytes } = this.#config;
    const writer = format.writer();
    try {
      // Left out, as a caller leaves them out: JSON and MessagePack would make null of them.
      const given = args.slice(0, args.findLastIndex((arg) => arg !== undefined) + 1);
      writer.value([method, ...given], messageBytes);
    } catch (cause) {
      throw new InvalidMessageError(`The arguments of ${what} cannot be sent: ${reasonOf(cause)}`, { cause });
    }
    return writer.take();
  }

  /** See {@link CallOpening}. */
  onOpen(held: HeldChannel): void {
    const { format, messageBytes } = this.#config;
    this.#held = held;
    this.#reader = format.reader(messageBytes);
    this.#share = held.begun.share(this);
    held.channel.attach(this);
    if (this.#request !== undefined) held.channel.write(this.#request);
    this.#request = undefined;
  }

  /** See {@link CallOpening}. */
  onClosed({ message }: EndReason): void {
    this.#fail(new ClosedError(`The connection ended before ${this.#config.what} had completed: ${message}`));
  }

  /** See {@link CallHandler}. */
  onData(bytes: Buffer): void {
    try {
      if (!this.#isOver) this.#reader?.push(bytes, this);
    } catch (cause) {
      this.#held?.channel.reset({ code: 'protocol', message: 'the answer could not be read' });
      // A codec may have put the peer's text into its words.
      const reason = oneLine(reasonOf(cause));
      this.#fail(new ProtocolError(`The answer of ${this.#config.what} could not be read: ${reason}`, { cause }));
    }
    this.#share?.read(bytes.length, this.#isOver ? 0 : this.#begun);
  }

  /** See {@link CallHandler}. */
  onEnd(): void {
    this.#held?.channel.end();
    if (this.#isOver) return;
    if (this.#begun > 0) {
      const { what } = this.#config;
      this.#fail(new ProtocolError(`The answer of ${what} could not be read: it ended within a value`));
      return;
    }
    this.#finish();
    this.#subscriber.complete();
  }

  /** See {@link CallHandler}. */
  onReset(reset: CallReset): void {
    this.#fail(resetErrorOf(reset, this.#config.what));
  }

  /** See {@link CallHandler}. */
  onWritten(): void {
    // A call is one message: nothing waits for room.
  }

  /** See {@link Sink}. */
  isOver(): boolean {
    return this.#isOver;
  }

  /** See {@link Sink}. */
  value(value: unknown): void {
    this.#subscriber.next(value);
  }

  /** See {@link Sink}. */
  failure(failure: Failure): void {
    this.#held?.channel.end();
    this.#fail(errorOf(failure, this.#config.what));
  }

  /** How many bytes it holds of a value that has begun. */
  get #begun(): number {
    return this.#reader?.begun ?? 0;
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#finish();
    this.#subscriber.error(error);
  }

  #finish(): void {
    this.#isOver = true;
    this.#leaveQueue();
    this.#share?.close();
    this.#held?.release();
  }
}

const always = (): boolean => true;

function errorOf({ kind, name, message, code }: Failure, what: string): RemoteError | RemoteRefusedError {
  return kind === 'refused'
    ? new RemoteRefusedError(name, `${what} was refused: ${message}`)
    : new RemoteError(message, name, code);
}

/** What it means for a call that the peer has reset its channel. */
function resetErrorOf({ code, message, refusal }: CallReset, what: string): ClosedError | RemoteRefusedError {
  if (code === 'overflow') return new RemoteRefusedError('overflow', `${what} was stopped: ${message}`);
  if (code !== 'refused') return new ClosedError(`The peer ended ${what}: ${message}`);
  if (refusal === 'closing') return new ClosedError(`The connection was closed before ${what} was called: ${message}`);
  return new RemoteRefusedError(refusal ?? 'refused', `${what} was refused: ${message}`);
}
