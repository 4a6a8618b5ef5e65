import type { BegunShare } from '../bounds/begun-bytes.js';
import type { RefusalReason } from '../errors.js';
import type { ConnectionEnding, HeldChannel } from './channel.js';
import type { Sink } from './format.js';
import type { MethodSchemas } from './interface.js';
import { validate, type Validated } from './schema.js';
import { failureOf } from './source.js';
import { Values, type ValuesConfig } from './values.js';

/** What serving a call needs. */
export interface ServedCallConfig extends Omit<ValuesConfig, 'channel'> {
  readonly schemas: Readonly<Record<string, MethodSchemas>>;
  /** The object whose methods are called. May throw. */
  readonly object: () => object;
  /** Accepts the channel of the call, and tells when its connection ends. */
  readonly hold: (ending: ConnectionEnding) => HeldChannel;
}

/** One call that a peer has made: reads the method's name and arguments, calls the method, and sends its values. */
export class ServedCall {
  readonly #config: ServedCallConfig;
  readonly #held: HeldChannel;
  readonly #share: BegunShare;
  readonly #values: Values;
  #isAsked = false;
  #isOver = false;

  constructor(config: ServedCallConfig) {
    this.#config = config;
    const stop = () => {
      this.#stop();
    };
    this.#held = config.hold({ onClosing: stop, onClosed: stop });
    const { channel, begun } = this.#held;
    this.#share = begun.share({
      onRead: (bytes) => {
        channel.read(bytes);
      },
    });
    this.#values = new Values({
      ...config,
      channel,
      onOver: () => {
        this.#finish();
      },
    });
  }

  /** Starts to read, beginning with what has arrived already. Call it once. */
  begin(): void {
    const { format, messageBytes } = this.#config;
    const { channel } = this.#held;
    const reader = format.reader(messageBytes);
    const share = this.#share;
    channel.attach({
      onData: (bytes) => {
        try {
          if (!this.#isAsked) reader.push(bytes, this.#sink);
        } catch (error) {
          this.refuse('invalid-arguments', failureOf(error).message);
        }
        share.read(bytes.length, this.#isAsked ? 0 : reader.begun);
      },
      onEnd: () => {
        if (!this.#isAsked) this.refuse('invalid-arguments', 'nothing was called');
      },
      onReset: () => {
        this.#stop();
        this.#values.dropped();
      },
      onWritten: () => {
        this.#values.written();
      },
    });
  }

  /** Refuses the call, or stops it. */
  refuse(reason: RefusalReason, message: string): void {
    this.#isAsked = true;
    this.#values.fail({ kind: 'refused', name: reason, message });
  }

  /** A call is one value: what comes after it is dropped. */
  readonly #sink: Sink = {
    isOver: () => this.#isAsked,
    value: (value) => {
      this.#isAsked = true;
      this.#call(value);
    },
    failure: () => {
      this.refuse('invalid-arguments', 'a failure came in place of a call');
    },
  };

  #call(request: unknown): void {
    const list: readonly unknown[] = Array.isArray(request) ? request : [];
    const [method, ...args] = list;
    if (typeof method !== 'string') {
      this.refuse('invalid-arguments', 'expected the name of a method and its arguments');
      return;
    }
    const { schemas } = this.#config;
    const schema = Object.hasOwn(schemas, method) ? schemas[method]?.args : undefined;
    try {
      const called = this.#methodNamed(method);
      if (called === undefined) {
        this.refuse('unknown-method', `it has no method \`${method.slice(0, 100)}\``);
        return;
      }
      const validated = validate(schema, args);
      if ('then' in validated) void this.#callLater(called, validated);
      else this.#callWith(called, validated);
    } catch (error) {
      this.#values.fail(failureOf(error));
    }
  }

  async #callLater(called: Method, validated: PromiseLike<Validated>): Promise<void> {
    try {
      this.#callWith(called, await validated);
    } catch (error) {
      this.#values.fail(failureOf(error));
    }
  }

  /** @throws whatever the method throws. */
  #callWith(called: Method, validated: Validated): void {
    if (this.#isOver) return;
    if (validated.isValid)
      this.#values.send(called(Array.isArray(validated.value) ? validated.value : [validated.value]));
    else this.refuse('invalid-arguments', validated.message);
  }

  /**
   * Only the object's own properties can be called, not those of its class or of `Object.prototype`.
   *
   * @throws whatever the function throws that makes the object.
   */
  #methodNamed(name: string): Method | undefined {
    const object = this.#config.object();
    const own: unknown = Object.hasOwn(object, name) ? Reflect.get(object, name) : undefined;
    if (typeof own !== 'function') return undefined;
    return (args) => {
      // A result that cannot become an Observable fails later, when its values are to be sent.
      const result: unknown = Reflect.apply(own, object, args);
      return result;
    };
  }

  #stop(): void {
    this.#values.stop();
    this.#finish();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#share.close();
    this.#held.release();
    this.#config.onOver();
  }
}

type Method = (args: unknown[]) => unknown;
