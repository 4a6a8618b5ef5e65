import { Observable, type SchedulerLike } from 'rxjs';
import { Subscribers } from '../../operators/subscribers.js';
import { Patience } from './patience.js';
import { Silence, type SilenceConfig } from './silence.js';

/** How long the peer may take. */
export interface LivenessConfig {
  readonly scheduler: SchedulerLike;
  /** An answer that is owed for so long, in milliseconds, makes a link doubtful; one whose round trip is short, earlier. */
  readonly silenceMs: number;
}

/** Whose links are watched. */
export interface LivenessHost {
  /** Whether there is a link at all. */
  readonly hasLink: boolean;
  /** Called when the link has become doubtful, or is trusted again. */
  onTrustChange(): void;
}

/** Whether the peer answers on the current link. */
export class Liveness implements SilenceConfig {
  readonly #config: LivenessConfig;
  readonly #host: LivenessHost;
  /** Those who want to know whenever something arrives; mostly nobody does. */
  #heard: Subscribers<void> | undefined;
  readonly #silence: Silence;
  readonly #patience: Patience;
  #isDoubtful = false;
  #lastPing: { readonly payload: Buffer; readonly at: number } | undefined;

  constructor(config: LivenessConfig, host: LivenessHost) {
    this.#config = config;
    this.#host = host;
    this.#patience = new Patience(config.silenceMs, config.scheduler);
    this.#silence = new Silence(this);
  }

  /** See {@link SilenceConfig}. */
  get scheduler(): SchedulerLike {
    return this.#config.scheduler;
  }

  /** See {@link SilenceConfig}. */
  get ms(): number {
    return this.#config.silenceMs;
  }

  /** Whether the peer owes an answer for longer than it should. */
  get isDoubtful(): boolean {
    return this.#isDoubtful;
  }

  /** Emits whenever something has arrived on the current link. */
  get heard$(): Observable<void> {
    return new Observable((subscriber) => (this.#heard ??= new Subscribers()).join(subscriber));
  }

  /** The peer owes an answer from now on. */
  expectAnswer(): void {
    this.#silence.expect();
  }

  /** A ping is being sent: its round trip is measured. */
  pinged(payload: Buffer): void {
    this.#lastPing = { payload, at: this.#config.scheduler.now() };
  }

  /** A pong has come. Returns the round trip time in milliseconds when it answers the latest ping, once. */
  ponged(payload: Buffer): number | undefined {
    const ping = this.#lastPing;
    if (ping?.payload.equals(payload) !== true) return undefined;
    this.#lastPing = undefined;
    const roundTripMs = this.#config.scheduler.now() - ping.at;
    this.#patience.measured(roundTripMs);
    this.#silence.setPatience(this.#patience.ms);
    return roundTripMs;
  }

  /**
   * Something has arrived on the current link.
   *
   * @param owesStill whether the peer has yet to acknowledge something.
   */
  heard(owesStill: boolean): void {
    this.#silence.heard(owesStill || this.#lastPing !== undefined);
    this.#heard?.next();
    if (!this.#isDoubtful) return;
    this.#isDoubtful = false;
    this.#host.onTrustChange();
  }

  /** Starts over on another link: questions asked on the last one are not answered here. */
  restart(): void {
    this.#isDoubtful = false;
    this.#lastPing = undefined;
    this.#silence.heard(false);
    this.#patience.restart();
    this.#silence.setPatience(this.#patience.ms);
  }

  /** Stops the timer. */
  stop(): void {
    this.#silence.stop();
  }

  /** See {@link SilenceConfig}. */
  onSilent(): void {
    if (this.#isDoubtful || !this.#host.hasLink) return;
    this.#isDoubtful = true;
    this.#patience.doubted();
    this.#silence.setPatience(this.#patience.ms);
    this.#host.onTrustChange();
  }
}
