import type { Socket } from 'node:dgram';
import { of, Subscription, type Observable } from 'rxjs';
import { DEFAULT_TIMING, type Timing } from '../../lib/config.js';
import type { Mapping } from '../../lib/port-mapping/mapping.js';
import { takeTurns } from '../../lib/operators/take-turns.js';
import { systemRuntime } from '../../lib/runtime.js';
import type { OpenPort, PortRequest } from '../../lib/port-mapping/mapper.js';
import type { FakeGateway } from './gateways.js';
import { newAddress } from './nodes.js';

/** The port that programs of these specs listen on. */
export const PORT = 50_500;

/** A request to a gateway from a host of its own, and whatever a spec changes. */
export function requestTo(
  { gateway }: FakeGateway,
  { timing, ...fields }: Partial<Omit<PortRequest, 'timing'>> & { readonly timing?: Partial<Timing> } = {},
): PortRequest {
  return {
    gateway,
    internal: { address: newAddress(), port: PORT },
    timing: { ...DEFAULT_TIMING, ...timing },
    scheduler: systemRuntime.scheduler,
    random: Math.random,
    turn: takeTurns(),
    // Nobody is told how it went, as nobody is when a net closes.
    runToEnd: (work$) => {
      work$.subscribe({ error: () => undefined });
    },
    ...fields,
  };
}

/** Has a port opened, and waits for what becomes of it. */
export class Holding extends Subscription {
  readonly mappings: Mapping[] = [];
  error: unknown;
  #hasFailed = false;
  readonly #waiting = new Set<() => void>();

  constructor(open: OpenPort, request: PortRequest) {
    super();
    const mapping$: Observable<Mapping> = of(request).pipe(open);
    const subscription = mapping$.subscribe({
      next: (mapping) => {
        this.mappings.push(mapping);
        this.#tell();
      },
      error: (error: unknown) => {
        this.error = error;
        this.#hasFailed = true;
        this.#tell();
      },
    });
    this.add(subscription);
  }

  /** Waits until something is true of what has been opened; fails when that fails. */
  async until(condition: (mappings: readonly Mapping[]) => boolean): Promise<void> {
    while (!condition(this.mappings)) {
      if (this.#hasFailed) throw this.error;
      await this.#change();
    }
  }

  /** Waits for the first mapping. */
  async opened(): Promise<Mapping> {
    await this.until((mappings) => mappings.length > 0);
    const [mapping] = this.mappings;
    if (mapping === undefined) throw new Error('Expected a mapping');
    return mapping;
  }

  /** Waits until it has failed. */
  async failed(): Promise<unknown> {
    while (!this.#hasFailed) await this.#change();
    return this.error;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
    });
  }

  #tell(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}

/** Sends a datagram, and waits until it is on its way: on loopback, until it has arrived. */
export function sent(
  socket: Socket,
  datagram: string | Uint8Array,
  { address, port }: { readonly address: string; readonly port: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(datagram, port, address, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}
