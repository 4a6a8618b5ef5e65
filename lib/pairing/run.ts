import { Cpace, type CpaceResult } from './cpace.js';
import type { Code } from './code.js';
import { PAIRING_VERSION, type PairingRole } from './messages.js';

/** What a run of CPace is about. */
export interface RunConfig {
  readonly code: Code;
  /** The id of this try, which the invited has chosen: new each time. */
  readonly id: string;
  /** Gives so many random bytes. Default: the system's. */
  readonly random?: ((bytes: number) => Uint8Array) | undefined;
}

/** One run of CPace of one side, about a code. */
export class Run {
  readonly share: Buffer;
  readonly #cpace: Cpace;
  readonly #theirs: PairingRole;

  constructor(role: PairingRole, { code, id, random }: RunConfig) {
    const inputs = {
      code: Buffer.from(code.words.join('-')),
      channel: Buffer.from(`rxp2p pairing ${PAIRING_VERSION} slot ${code.slot}`),
      session: Buffer.from(id),
    };
    this.#theirs = role === 'inviter' ? 'invited' : 'inviter';
    // Each side says which it is: what it has said could be sent back to it, as if the other had.
    this.#cpace = new Cpace(role === 'invited' ? 'initiator' : 'responder', inputs, Buffer.from(role), random);
    this.share = Buffer.from(this.#cpace.message.share);
  }

  /** Takes the share of the other side: `undefined` when somebody cheats. */
  finish(share: Buffer): CpaceResult | undefined {
    return this.#cpace.finish({ share, data: Buffer.from(this.#theirs) });
  }
}
