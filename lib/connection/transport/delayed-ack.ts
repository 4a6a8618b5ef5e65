import type { SchedulerLike, Subscription } from 'rxjs';

/**
 * What has arrived is acknowledged after so many bytes, the least at first and twice as many each time: each acknowledgement is a TLS record and a
 * system call. A peer that keeps fewer for this side stops sending until one comes by time; from then on they come sooner.
 */
const ACK_BYTES = { least: 262_144, most: 2_097_152 };

/** After this many bytes an acknowledgement goes with whatever else this side sends, where it costs next to nothing (RFC 1122 §4.2.3.2). */
const ALONG_BYTES = 65_536;

/** Fewer bytes are acknowledged after this many milliseconds. An acknowledgement frees the peer's memory and shows that this side is alive: neither is urgent. */
export const ACK_MS = 200;

/**
 * While bytes keep coming, one acknowledgement is enough in so many milliseconds: a message now and then costs no more to acknowledge than to send. It
 * is the half of what {@link Patience} waits for at least.
 */
const BETWEEN_MS = 500;

/** What acknowledges. */
export interface DelayedAckHost {
  /** Tells the peer how many bytes of its stream have arrived. Returns whether there was a link to do so. */
  acknowledge(received: number): boolean;
}

/** Acknowledges the peer's stream: after many bytes at once, else a little later (RFC 1122 §4.2.3.2). */
export class DelayedAck {
  readonly #scheduler: SchedulerLike;
  readonly #host: DelayedAckHost;
  #received = 0;
  #acknowledged = 0;
  #saidAt = -Infinity;
  /** After how many bytes the next one is due, … */
  #everyBytes = ACK_BYTES.least;
  /** … and at most: a peer that keeps less than that for this side has waited for one. */
  #mostBytes = ACK_BYTES.most;
  #timer: Subscription | undefined;

  constructor(scheduler: SchedulerLike, host: DelayedAckHost) {
    this.#scheduler = scheduler;
    this.#host = host;
  }

  /** This many bytes of the peer's stream have arrived. */
  advance(received: number): void {
    this.#received = received;
    if (this.#unacknowledged >= this.#everyBytes) {
      this.now();
      // While the link is full of what this side sends, it comes later.
      if (this.#unacknowledged === 0) {
        this.#everyBytes = Math.min(2 * this.#everyBytes, this.#mostBytes);
        return;
      }
    }
    if (this.#timer !== undefined) return;
    const later = () => {
      this.#timer = undefined;
      if (this.#unacknowledged >= ACK_BYTES.least) this.#peerHasWaited();
      this.flush();
    };
    const leftMs = this.#saidAt + BETWEEN_MS - this.#scheduler.now();
    this.#timer = this.#scheduler.schedule(later, Math.max(ACK_MS, leftMs));
  }

  /** Acknowledges now, even if there is nothing new. A timer that runs then goes on: starting one for each would cost more. */
  now(): void {
    if (!this.#host.acknowledge(this.#received)) return;
    this.#acknowledged = this.#received;
    this.#saidAt = this.#scheduler.now();
  }

  /** Something else is being sent. */
  along(): void {
    if (this.#unacknowledged >= ALONG_BYTES) this.now();
  }

  /** Acknowledges now if there is anything new. */
  flush(): void {
    if (this.#unacknowledged > 0) this.now();
  }

  get #unacknowledged(): number {
    return this.#received - this.#acknowledged;
  }

  #peerHasWaited(): void {
    this.#mostBytes = Math.max(ACK_BYTES.least, this.#everyBytes / 2);
    this.#everyBytes = ACK_BYTES.least;
  }

  /** Stops the timer. */
  stop(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
  }
}
