/** How far back a number may be behind the greatest of its stream and still be new. */
export const WINDOW = 1_024;

/** How many streams of one author are told apart: the one of the current run, and the one before. */
const MAX_STREAMS = 2;

/** The numbers of one stream that have been here: the greatest, and a bit for each of those right below it. */
interface Stream {
  readonly stream: string;
  greatest: number;
  readonly bits: Uint8Array;
}

/**
 * Which messages of an author have been here. It takes the same memory however many there were: numbers far below the greatest one, and
 * streams older than the latest two, count as seen.
 *
 * @example
 * const window = new SeenWindow();
 * window.add('0190000000000000', 1); // true
 * window.add('0190000000000000', 1); // false
 */
export class SeenWindow {
  /** The latest first. */
  #streams: readonly Stream[] = [];

  /**
   * Whether a message is new.
   *
   * @param isPast whether it may be of a run before the latest: in what a newcomer has asked for. Otherwise a run that is over counts as seen.
   */
  isNew(stream: string, number: number, isPast = false): boolean {
    const known = this.#streams.find((each) => each.stream === stream);
    if (known === undefined) {
      const [latest] = this.#streams;
      if (latest === undefined || stream > latest.stream) return true;
      const oldest = this.#streams.at(-1);
      return isPast && (this.#streams.length < MAX_STREAMS || oldest === undefined || stream > oldest.stream);
    }
    if (number > known.greatest) return true;
    return number + WINDOW > known.greatest && !isSet(known.bits, number);
  }

  /** Remembers a message. Returns whether it was new. */
  add(stream: string, number: number, isPast = false): boolean {
    if (!this.isNew(stream, number, isPast)) return false;
    const known = this.#streams.find((each) => each.stream === stream) ?? this.#begin(stream);
    if (number > known.greatest) {
      const first = Math.max(known.greatest + 1, number - WINDOW + 1);
      for (let each = first; each < number; each++) set(known.bits, each, false);
      known.greatest = number;
    }
    set(known.bits, number, true);
    return true;
  }

  #begin(stream: string): Stream {
    const begun = { stream, greatest: 0, bits: new Uint8Array(WINDOW / 8) };
    const latestFirst = [...this.#streams, begun].sort((a, b) => (a.stream < b.stream ? 1 : -1));
    this.#streams = latestFirst.slice(0, MAX_STREAMS);
    return begun;
  }
}

function isSet(bits: Uint8Array, number: number): boolean {
  const at = number % WINDOW;
  return ((bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
}

function set(bits: Uint8Array, number: number, value: boolean): void {
  const at = number % WINDOW;
  const mask = 1 << (at & 7);
  const byte = bits[at >> 3] ?? 0;
  bits[at >> 3] = value ? byte | mask : byte & ~mask;
}
