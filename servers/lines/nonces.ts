import { randomFillSync } from 'node:crypto';

/** The bytes of a nonce. */
const NONCE_BYTES = 32;

/** Nonces that are made at once: to ask the system for one takes as long as for many. */
const AT_ONCE = 128;

/** Makes nonces that nobody can guess. */
export class Nonces {
  readonly #bytes = Buffer.alloc(AT_ONCE * NONCE_BYTES);
  #used = this.#bytes.length;

  /** A new one: 43 base64url characters. */
  readonly next = (): string => {
    if (this.#used === this.#bytes.length) {
      randomFillSync(this.#bytes);
      this.#used = 0;
    }
    const nonce = this.#bytes.toString('base64url', this.#used, this.#used + NONCE_BYTES);
    this.#used += NONCE_BYTES;
    return nonce;
  };
}
