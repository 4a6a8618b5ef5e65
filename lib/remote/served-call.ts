import type { BegunReader, BegunShare } from '../bounds/begun-bytes.js';
import type { RefusalReason } from '../errors.js';
import type { CallHandler, ConnectionEnding, HeldChannel } from './channel.js';
import type { Reader, Sink } from './format.js';
import type { MethodSchemas } from './interface.js';
import { validate, type Validated } from './schema.js';
import { failureOf } from './source.js';
import { Values, type ValuesConfig } from './values.js';

/** What serving calls needs, the same for all calls of a peer to an object. */
export interface ServingConfig extends ValuesConfig {
  readonly schemas: Readonly<Record<string, MethodSchemas>>;
  /** The object whose methods are called. May throw. */
  readonly object: () => object;
  /** Called when a call is over. */
  readonly onOver: (call: ServedCall) => void;
}

/** Accepts the channel of a call, and tells when its connection ends. */
export type HoldCall = (ending: ConnectionEnding) => HeldChannel;

/**
 * One call that a peer has made: reads the method's name and arguments, calls the method, and sends its values. There may be many thousands a
 * second: it takes what comes itself, without a closure for each.
 */
export class ServedCall implements CallHandler, ConnectionEnding, BegunReader, Sink {
  readonly #config: ServingConfig;
  readonly #held: HeldChannel;
  readonly #share: BegunShare;
  readonly #reader: Reader;
  readonly #values: Values;
  #isAsked = false;
  #isOver = false;

  constructor(config: ServingConfig, hold: HoldCall) {
    this.#config = config;
    this.#held = hold(this);
    const { channel, begun } = this.#held;
    this.#share = begun.share(this);
    this.#reader = config.format.reader(config.messageBytes);
    this.#values = new Values(config, channel, () => {
      this.#finish();
    });
  }

  /** Starts to read, beginning with what has arrived already. Call it once. */
  begin(): void {
    this.#held.channel.attach(this);
  }

  /** See {@link CallHandler}. */
  onData(bytes: Buffer): void {
    try {
      if (!this.#isAsked) this.#reader.push(bytes, this);
    } catch (error) {
      this.refuse('invalid-arguments', failureOf(error).message);
    }
    this.#share.read(bytes.length, this.#isAsked ? 0 : this.#reader.begun);
  }

  /** See {@link CallHandler}. */
  onEnd(): void {
    if (!this.#isAsked) this.refuse('invalid-arguments', 'nothing was called');
  }

  /** See {@link CallHandler}. */
  onReset(): void {
    this.#stop();
    this.#values.dropped();
  }

  /** See {@link CallHandler}. */
  onWritten(): void {
    this.#values.written();
  }

  /** See {@link ConnectionEnding}. */
  onClosing(): void {
    this.#stop();
  }

  /** See {@link ConnectionEnding}. */
  onClosed(): void {
    this.#stop();
  }

  /** See {@link BegunReader}. */
  onRead(bytes: number): void {
    this.#held.channel.read(bytes);
  }

  /** Refuses the call, or stops it. */
  refuse(reason: RefusalReason, message: string): void {
    this.#isAsked = true;
    this.#values.fail({ kind: 'refused', name: reason, message });
  }

  /** See {@link Sink}. A call is one value: what comes after it is dropped. */
  isOver(): boolean {
    return this.#isAsked;
  }

  /** See {@link Sink}. */
  value(value: unknown): void {
    this.#isAsked = true;
    this.#call(value);
  }

  /** See {@link Sink}. */
  failure(): void {
    this.refuse('invalid-arguments', 'a failure came in place of a call');
  }

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
    this.#config.onOver(this);
  }
}

type Method = (args: unknown[]) => unknown;
