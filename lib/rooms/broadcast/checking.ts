import type { Carried } from './messages.js';
import type { Neighbour } from './neighbour.js';

/** A message of a neighbour that the room has not yet judged. */
export interface Candidate {
  readonly from: Neighbour;
  readonly message: Carried;
  readonly round: number;
}

/** Messages of one neighbour that are judged at a time. What comes beyond that is dropped. */
const MAX_OF_NEIGHBOUR = 64;

/** Messages that the room judges, and those that came under the same name meanwhile: one of them may be false. */
export class Checking {
  readonly #all = new Map<string, { readonly first: Candidate; readonly others: Candidate[] }>();

  /** Adds a message. Returns whether it is to be judged now; otherwise another of the same name is. */
  add(candidate: Candidate): boolean {
    const { from, message } = candidate;
    const known = this.#all.get(message.id);
    const isKnown = known !== undefined && [known.first, ...known.others].some((other) => other.from === from);
    if (from.checking >= MAX_OF_NEIGHBOUR || isKnown) return false;
    from.checking++;
    if (known !== undefined) {
      known.others.push(candidate);
      return false;
    }
    this.#all.set(message.id, { first: candidate, others: [] });
    return true;
  }

  /** Takes the one that was judged, and the others of its name; `undefined` if it is not known. */
  take(id: string, by: string): readonly [Candidate, readonly Candidate[]] | undefined {
    const known = this.#all.get(id);
    if (known?.first.from.id !== by) return undefined;
    this.#all.delete(id);
    known.first.from.checking--;
    for (const { from } of known.others) from.checking--;
    return [known.first, known.others];
  }
}
