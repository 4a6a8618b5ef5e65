import { Subscription } from 'rxjs';
import { TokenBucket } from '../bounds/rate-limit.js';
import { WaitingBytes } from '../bounds/waiting-bytes.js';
import { callName } from './channel.js';
import { formatOf, type Format } from './format.js';
import type { ExposeOptions } from './interface.js';
import { ServedCall, type HoldCall, type ServingConfig } from './served-call.js';

/** How much one peer may call. */
export interface CallLimits {
  /** How many calls of one connection may run at once. */
  readonly remoteCalls: number;
  /** How many calls one connection may start in a second. */
  readonly remoteCallsPerSecond: number;
  /** How many bytes of the values of one call may wait. */
  readonly remoteBytes: number;
  /** How many bytes of the values of all calls of one connection may wait. */
  readonly remoteTotalBytes: number;
  readonly messageBytes: number;
  /** How many channels one connection may have open, those of calls among them. */
  readonly channels: number;
}

/** What an application exposes: an object, or a function that makes one for each connection that uses it. */
export type Exposed<C> = object | ((connection: C) => object);

function isMaker<C>(exposed: Exposed<C>): exposed is (connection: C) => object {
  return typeof exposed === 'function';
}

interface Exposure<C extends object> {
  readonly exposed: Exposed<C>;
  readonly format: Format;
  readonly options: ExposeOptions;
  readonly running: Set<ServedCall>;
  /** What the calls of each connection have in common. */
  readonly servings: WeakMap<C, ServingConfig>;
}

/** The state kept for a connection that makes calls. */
interface Caller {
  readonly rate: TokenBucket;
  /** What waits of the values of all its calls. */
  readonly budget: WaitingBytes;
  underWay: number;
}

/** The objects that a node exposes, by their names. */
export class Exposures<C extends object> {
  readonly #limits: CallLimits;
  readonly #now: () => number;
  readonly #byName = new Map<string, Exposure<C>>();
  readonly #callers = new WeakMap<C, Caller>();

  /** @param now the time, in milliseconds. */
  constructor(limits: CallLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /**
   * Exposes an object until unsubscribed from, which also ends its running calls. The caller has checked the options, and that the name
   * is free.
   */
  add(exposed: Exposed<C>, options: ExposeOptions): Subscription {
    const format = formatOf(options.codec);
    const name = callName(format.name, options.as);
    const exposure: Exposure<C> = { exposed, format, options, running: new Set(), servings: new WeakMap() };
    this.#byName.set(name, exposure);
    return new Subscription(() => {
      this.#byName.delete(name);
      for (const call of [...exposure.running]) call.refuse('unknown-name', 'it was withdrawn');
    });
  }

  /**
   * Serves a call that a peer makes.
   *
   * @param hold accepts the channel, and tells when its connection ends.
   * @returns whether an object is exposed by this name.
   */
  take(name: string, connection: C, hold: HoldCall): boolean {
    const exposure = this.#byName.get(name);
    if (exposure === undefined) return false;
    const caller = this.#callerOf(connection);
    const { remoteCalls } = this.#limits;
    const call = new ServedCall(this.#servingOf(exposure, connection, caller), hold);
    exposure.running.add(call);
    caller.underWay++;
    if (caller.underWay > remoteCalls) call.refuse('too-many-calls', `${remoteCalls} are under way`);
    else if (!caller.rate.take()) call.refuse('too-many-calls', 'too many begin at once');
    call.begin();
    return true;
  }

  #servingOf(exposure: Exposure<C>, connection: C, caller: Caller): ServingConfig {
    const known = exposure.servings.get(connection);
    if (known !== undefined) return known;
    const { exposed, format, options, running, servings } = exposure;
    const { remoteBytes, messageBytes } = this.#limits;
    let made: object | undefined;
    const serving: ServingConfig = {
      format,
      remoteBytes,
      messageBytes,
      budget: caller.budget,
      overflow: options.overflow ?? 'fail',
      schemas: options.schemas ?? {},
      object: () => (made ??= isMaker(exposed) ? exposed(connection) : exposed),
      soon: queueMicrotask,
      onOver: (call) => {
        if (running.delete(call)) caller.underWay--;
      },
    };
    servings.set(connection, serving);
    return serving;
  }

  #callerOf(connection: C): Caller {
    const known = this.#callers.get(connection);
    if (known !== undefined) return known;
    const { remoteCallsPerSecond: perSecond, remoteTotalBytes: most, channels: holders } = this.#limits;
    const rate = new TokenBucket({ perSecond, burst: perSecond, now: this.#now });
    const caller = { rate, budget: new WaitingBytes({ most, holders }), underWay: 0 };
    this.#callers.set(connection, caller);
    return caller;
  }
}
