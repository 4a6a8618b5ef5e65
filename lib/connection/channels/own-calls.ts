import { noop } from 'rxjs';
import type { CallOpening, HeldChannel } from '../../remote/channel.js';
import { WaitingCalls } from './waiting-calls.js';

/** What the calls of this side need. */
export interface OwnCallsConfig {
  /** How many may be under way. */
  readonly most: number;
  /** How many may wait for their turn. */
  readonly mostWaiting: number;
  /** How many bytes of arguments may wait. */
  readonly mostWaitingBytes: number;
  /** Why no further channel can be opened at the moment; `undefined` when one can. */
  readonly full: () => string | undefined;
  /** Opens a channel. */
  readonly open: (name: string, call: CallOpening) => HeldChannel;
}

/** The calls that this side makes on a connection: so many at once, the others when it is their turn. */
export class OwnCalls {
  readonly #config: OwnCallsConfig;
  readonly #waiting: WaitingCalls;
  #underWay = 0;
  #isTurnDue = false;

  constructor(config: OwnCallsConfig) {
    this.#config = config;
    this.#waiting = new WaitingCalls({ most: config.mostWaiting, mostBytes: config.mostWaitingBytes });
  }

  /** Opens the channel of a call as soon as it is its turn. See `OpenForCall`. */
  add(name: string, call: CallOpening): () => void {
    const why = this.#full;
    if (why === undefined && this.#waiting.size === 0) {
      this.#begin(name, call);
      return noop;
    }
    const onTurn = () => {
      this.#begin(name, call);
    };
    const { bytes, onClosed } = call;
    return this.#waiting.add({ bytes, onTurn, onClosed }, why ?? 'others wait');
  }

  /** There may be room for another. It begins later, since this may be called while a frame is being read or written. */
  goOn(): void {
    if (this.#isTurnDue || this.#waiting.size === 0) return;
    this.#isTurnDue = true;
    queueMicrotask(() => {
      this.#isTurnDue = false;
      while (this.#full === undefined) {
        const next = this.#waiting.next();
        if (next === undefined) return;
        next.onTurn();
      }
    });
  }

  /** Those that wait will never be made: the connection ends. */
  drop(reason: { readonly message: string }): void {
    for (let next = this.#waiting.next(); next !== undefined; next = this.#waiting.next()) next.onClosed(reason);
  }

  /** Why a further call has to wait; `undefined` when it need not. */
  get #full(): string | undefined {
    const { most, full } = this.#config;
    return this.#underWay < most ? full() : `${most} are under way`;
  }

  #begin(name: string, call: CallOpening): void {
    const held = this.#config.open(name, call);
    this.#underWay++;
    call.onOpen({
      ...held,
      release: () => {
        held.release();
        this.#underWay--;
        this.goOn();
      },
    });
  }
}
