import { ACK_MS } from './delayed-ack.js';

/** Three round trips are asked to fail, as after three probes QUIC takes a path for congested (RFC 9002 §7.6.1). */
const PROBES = 3;

/** Shorter silences are those of TCP, which sends what is lost again after 200 ms, 400 ms, …, and of Wi-Fi (RFC 6298 §2.4: 1 s). */
const LEAST_MS = 1_000;

/** Doubts that follow each other within this time, in milliseconds, make each next one slower. */
const CALM_MS = 60_000;

/**
 * How long an answer may take before the link is doubted: as TCP's and QUIC's timers, by the round trip and how much it varies (RFC 6298 §2,
 * RFC 9002 §6.2). After each doubt it is twice as long for a minute, so that a link that stalls now and then is not replaced each
 * time.
 */
export class Patience {
  #smoothedMs: number | undefined;
  #variationMs = 0;
  #doubts = 0;
  #doubtedAt = -Infinity;

  /**
   * @param mostMs the longest, and as long as no round trip has been measured.
   * @param clock tells the time in milliseconds.
   */
  constructor(
    readonly mostMs: number,
    readonly clock: { now(): number },
  ) {}

  /** The patience of this moment, in milliseconds. */
  get ms(): number {
    if (this.#smoothedMs === undefined) return this.mostMs;
    const roundTripsMs = PROBES * (this.#smoothedMs + 4 * this.#variationMs + ACK_MS);
    return Math.min(this.mostMs, Math.max(LEAST_MS, roundTripsMs) * 2 ** this.#recentDoubts);
  }

  /** A round trip took so long. */
  measured(ms: number): void {
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = ms;
      this.#variationMs = ms / 2;
      return;
    }
    this.#variationMs = (3 * this.#variationMs + Math.abs(this.#smoothedMs - ms)) / 4;
    this.#smoothedMs = (7 * this.#smoothedMs + ms) / 8;
  }

  /** The link was doubted. */
  doubted(): void {
    this.#doubts = this.#recentDoubts + 1;
    this.#doubtedAt = this.clock.now();
  }

  /** Another link, whose round trip is not known. */
  restart(): void {
    this.#smoothedMs = undefined;
  }

  get #recentDoubts(): number {
    return this.clock.now() - this.#doubtedAt < CALM_MS ? this.#doubts : 0;
  }
}
