import { Subject, type Observable, type SchedulerLike } from 'rxjs';
import { Patience } from './patience.js';
import { Silence } from './silence.js';

/** What watching the peer's answers needs. */
export interface LivenessConfig {
  readonly scheduler: SchedulerLike;
  /** An answer that is owed for so long, in milliseconds, makes a link doubtful; one whose round trip is short, earlier. */
  readonly silenceMs: number;
  /** Whether there is a link at all. */
  readonly hasLink: () => boolean;
  /** Called when the link has become doubtful, or is trusted again. */
  readonly onChange: () => void;
}

/** Whether the peer answers on the current link. */
export class Liveness {
  readonly #config: LivenessConfig;
  readonly #heard = new Subject<void>();
  readonly #silence: Silence;
  readonly #patience: Patience;
  #isDoubtful = false;
  #lastPing: { readonly payload: Buffer; readonly at: number } | undefined;

  constructor(config: LivenessConfig) {
    this.#config = config;
    const { scheduler, silenceMs } = config;
    this.#patience = new Patience(silenceMs, () => scheduler.now());
    this.#silence = new Silence({ scheduler, ms: silenceMs, onSilent: this.#onSilent });
  }

  /** Whether the peer owes an answer for longer than it should. */
  get isDoubtful(): boolean {
    return this.#isDoubtful;
  }

  /** Emits whenever something has arrived on the current link. */
  get heard$(): Observable<void> {
    return this.#heard.asObservable();
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
    if (this.#heard.observed) this.#heard.next();
    if (!this.#isDoubtful) return;
    this.#isDoubtful = false;
    this.#config.onChange();
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

  readonly #onSilent = (): void => {
    if (this.#isDoubtful || !this.#config.hasLink()) return;
    this.#isDoubtful = true;
    this.#patience.doubted();
    this.#silence.setPatience(this.#patience.ms);
    this.#config.onChange();
  };
}
