import { noop } from 'rxjs';
import type { CallOpening, ConnectionEnding, EndReason, HeldChannel } from '../../remote/channel.js';
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
  /** Opens a channel, and tells when the connection ends. */
  readonly open: (name: string, ending: ConnectionEnding) => HeldChannel;
}

/** A call whose channel is open, until it is over. */
class OpenCall implements HeldChannel, ConnectionEnding {
  readonly channel: HeldChannel['channel'];
  readonly begun: HeldChannel['begun'];
  readonly #held: HeldChannel;
  readonly #call: CallOpening;
  readonly #onOver: () => void;

  constructor(name: string, call: CallOpening, open: OwnCallsConfig['open'], onOver: () => void) {
    this.#call = call;
    this.#onOver = onOver;
    this.#held = open(name, this);
    ({ channel: this.channel, begun: this.begun } = this.#held);
  }

  release(): void {
    this.#held.release();
    this.#onOver();
  }

  onClosing(): void {
    // What was asked has been sent, or is not sent any more.
  }

  onClosed(reason: EndReason): void {
    this.#call.onClosed(reason);
  }
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
    const onClosed = (reason: EndReason) => {
      call.onClosed(reason);
    };
    return this.#waiting.add({ bytes: call.bytes, onTurn, onClosed }, why ?? 'others wait');
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
    const open = new OpenCall(name, call, this.#config.open, this.#onOver);
    this.#underWay++;
    call.onOpen(open);
  }

  readonly #onOver = (): void => {
    this.#underWay--;
    this.goOn();
  };
}
