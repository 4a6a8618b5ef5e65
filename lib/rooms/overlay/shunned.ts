import { ByAge } from '../../bounds/by-age.js';
import type { PeerId } from '../../identity.js';

/** Who did not do its part is kept out for so long, in milliseconds; so many are remembered. */
const SHUN_MS = 600_000;
const MAX_SHUNNED = 64;

/** Peers that are kept out of the views for a while. */
export class Shunned {
  readonly #until = new ByAge<PeerId, number>();

  add(id: PeerId, now: number): void {
    this.#until.add(id, now + SHUN_MS);
    this.#until.keep(MAX_SHUNNED);
  }

  has(id: PeerId, now: number): boolean {
    return this.#until.size > 0 && (this.#until.get(id) ?? -Infinity) > now;
  }
}
