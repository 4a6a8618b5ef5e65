import { concatMap, Observable, type Subscriber } from 'rxjs';
import {
  ClosedError,
  InvalidMessageError,
  ProtocolError,
  reasonOf,
  RemoteError,
  RemoteRefusedError,
} from '../errors.js';
import type { HeldChannel, OnClosed } from './channel.js';
import type { Failure, Format, Sink } from './format.js';
import { oneLine } from '../words.js';
import { validate, type StandardSchema } from './schema.js';

/** What calling a method needs. */
export interface CallConfig {
  /** Opens a channel for the call. */
  readonly open: (onClosed: OnClosed) => HeldChannel;
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
 * the call at the peer. The first value takes one round trip; the peer sends the others without being asked again.
 *
 * @throws RemoteError when the method fails; RemoteRefusedError when the peer refuses or stops the call; ClosedError when the connection
 * ends first; InvalidMessageError for arguments that cannot be sent; ProtocolError for an answer that cannot be read.
 */
export function call$(config: CallConfig): Observable<unknown> {
  const { schema, what } = config;
  const value$ = new Observable((subscriber) => new Call(config, subscriber).teardown);
  if (schema === undefined) return value$;
  return value$.pipe(
    concatMap(async (value) => {
      const validated = await validate(schema, value);
      if (validated.isValid) return validated.value;
      throw new RemoteRefusedError(
        'invalid-value',
        `${what} gave a value that does not fit: ${oneLine(validated.message)}`,
      );
    }),
  );
}

/** One call that is under way. */
class Call {
  readonly #config: CallConfig;
  readonly #subscriber: Subscriber<unknown>;
  #held: HeldChannel | undefined;
  #isOver = false;

  constructor(config: CallConfig, subscriber: Subscriber<unknown>) {
    this.#config = config;
    this.#subscriber = subscriber;
    try {
      this.#begin(this.#request());
    } catch (error) {
      this.#fail(error);
    }
  }

  readonly teardown = (): void => {
    if (this.#isOver) return;
    this.#finish();
    this.#held?.channel.reset({ code: 'reset', message: 'unsubscribed' });
  };

  /** @throws InvalidMessageError */
  #request(): Buffer {
    const { format, method, args, what, messageBytes } = this.#config;
    const writer = format.writer();
    try {
      writer.value([method, ...args], messageBytes);
    } catch (cause) {
      throw new InvalidMessageError(`The arguments of ${what} cannot be sent: ${reasonOf(cause)}`, { cause });
    }
    return writer.take();
  }

  #begin(request: Buffer): void {
    const { open, format, messageBytes, what } = this.#config;
    const held = open(({ message }) => {
      this.#fail(new ClosedError(`The connection ended before ${what} had completed: ${message}`));
    });
    this.#held = held;
    const { channel } = held;
    const reader = format.reader(messageBytes);
    channel.attach({
      onData: (bytes) => {
        try {
          if (!this.#isOver) reader.push(bytes, this.#sink);
        } catch (cause) {
          channel.reset({ code: 'protocol', message: 'the answer could not be read' });
          // A codec may have put the peer's text into its words.
          const reason = oneLine(reasonOf(cause));
          this.#fail(new ProtocolError(`The answer of ${what} could not be read: ${reason}`, { cause }));
        }
        channel.read(bytes.length);
      },
      onEnd: () => {
        channel.end();
        if (this.#isOver) return;
        this.#finish();
        this.#subscriber.complete();
      },
      onReset: ({ code, message }) => {
        this.#fail(
          code === 'refused'
            ? new RemoteRefusedError('unknown-name', `${what} was refused: ${message}`)
            : new ClosedError(`The peer ended ${what}: ${message}`),
        );
      },
      onWritten: () => undefined,
    });
    channel.write(request);
  }

  readonly #sink: Sink = {
    isOver: () => this.#isOver,
    value: (value) => {
      this.#subscriber.next(value);
    },
    failure: (failure) => {
      this.#held?.channel.end();
      this.#fail(errorOf(failure, this.#config.what));
    },
  };

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#finish();
    this.#subscriber.error(error);
  }

  #finish(): void {
    this.#isOver = true;
    this.#held?.release();
  }
}

function errorOf({ kind, name, message, code }: Failure, what: string): RemoteError | RemoteRefusedError {
  return kind === 'refused'
    ? new RemoteRefusedError(name, `${what} was refused: ${message}`)
    : new RemoteError(message, name, code);
}
