import { Duplex } from 'node:stream';
import { VirtualTimeScheduler } from 'rxjs';
import { FramedLink, FramedWire } from '../../lib/link/framed-link.js';

/** A clock that goes on when a spec says so. */
export class VirtualClock extends VirtualTimeScheduler {
  /** Lets time pass, in milliseconds. */
  pass(ms: number): void {
    this.maxFrames = this.frame + ms;
    this.flush();
    this.frame = this.maxFrames;
  }
}

/** Lets everything happen that streams do by themselves. */
export const settled = async (turns = 3): Promise<void> => {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** One end of a link: what is written waits on its way until it is told to arrive. */
class End extends Duplex {
  readonly #way: Buffer[] = [];
  #waiting: (() => void) | undefined;
  #isEnded = false;
  other: End | undefined;

  override _read(): void {
    // What arrives is pushed.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#way.push(chunk);
    // Like a socket whose buffer is full, it takes more only when some has gone.
    if (this.#way.length < 4) done();
    else this.#waiting = done;
  }

  override _final(done: () => void): void {
    this.#isEnded = true;
    done();
  }

  /** Lets so many bytes arrive, in chunks of their own. */
  carry(bytes: number): void {
    for (let left = bytes; left > 0;) {
      const chunk = this.#way.shift();
      if (chunk === undefined) break;
      if (chunk.length > left) this.#way.unshift(chunk.subarray(left));
      if (this.other?.destroyed === false) this.other.push(chunk.subarray(0, left));
      left -= chunk.length;
    }
    if (this.#way.length < 4) {
      const done = this.#waiting;
      this.#waiting = undefined;
      done?.();
    }
    if (this.#isEnded && this.#way.length === 0 && this.other?.destroyed === false) this.other.push(null);
  }
}

/** A link of two ends, as a relay's or a direct one. */
export class VirtualLink {
  readonly here: FramedLink;
  readonly there: FramedLink;
  readonly #ends: readonly [End, End];
  isCut = false;

  constructor(
    readonly name: string,
    readonly direct: boolean,
  ) {
    const [one, two] = [new End(), new End()];
    one.other = two;
    two.other = one;
    this.#ends = [one, two];
    const channelOf = (stream: Duplex) => {
      const endpoint = { address: '127.0.0.1', port: 1 };
      return new FramedLink(
        { peerId: 'peer', stream, local: endpoint, remote: endpoint, technique: name, direct },
        new FramedWire(),
      );
    };
    this.here = channelOf(one);
    this.there = channelOf(two);
  }

  /** Lets so many bytes arrive on either side. */
  carry(toThere: number, toHere: number): void {
    if (this.isCut) return;
    this.#ends[0].carry(toThere);
    this.#ends[1].carry(toHere);
  }

  /** Nothing arrives any more; `isTold`: both sides notice at once. */
  cut(isTold: boolean): void {
    this.isCut = true;
    if (isTold) for (const end of this.#ends) end.destroy(new Error('reset'));
  }

  /** One side notices that it is cut. */
  tell(side: 0 | 1): void {
    this.isCut = true;
    this.#ends[side].destroy(new Error('reset'));
  }
}
