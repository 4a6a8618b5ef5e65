import type { SchedulerLike, Subscription } from 'rxjs';

/** What has come is acknowledged at the latest after so many bytes … */
const ACK_BYTES = 65_536;

/** … or so many milliseconds: an acknowledgement only lets the peer forget, and shows that this side is there. */
const ACK_MS = 200;

/** What it takes to acknowledge. */
export interface DelayedAckConfig {
  readonly scheduler: SchedulerLike;
  /** Tells the peer how many bytes of its stream have come. Returns whether it could be told. */
  readonly say: (received: number) => boolean;
}

/** Tells the peer how much of its stream has come: at once when that is much, else before long (RFC 1122 §4.2.3.2). */
export class DelayedAck {
  readonly #config: DelayedAckConfig;
  #received = 0;
  #acknowledged = 0;
  #timer: Subscription | undefined;

  constructor(config: DelayedAckConfig) {
    this.#config = config;
  }

  /** So many bytes of the peer's stream have come. */
  advance(received: number): void {
    this.#received = received;
    if (received - this.#acknowledged >= ACK_BYTES) this.now();
    else {
      this.#timer ??= this.#config.scheduler.schedule(() => {
        this.now();
      }, ACK_MS);
    }
  }

  /** Acknowledges now, whether or not there is anything new. */
  now(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
    if (this.#config.say(this.#received)) this.#acknowledged = this.#received;
  }

  /** Acknowledges now what the peer has not been told of yet. */
  flush(): void {
    if (this.#acknowledged < this.#received) this.now();
  }

  /** Acknowledges nothing later. */
  stop(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
  }
}
