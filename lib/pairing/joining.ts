import type { PeerId } from '../identity.js';
import type { CpaceResult } from './cpace.js';
import {
  decodePairing,
  encodePairing,
  openLocator,
  sealLocator,
  type PairedPeer,
  type PairingRefusal,
} from './messages.js';
import { Run, type RunConfig } from './run.js';

/** Why a try has come to nothing. */
export type JoiningFailure =
  | PairingRefusal
  /** Who answers does not know the code. */
  | 'stranger'
  /** What came is no answer: it was changed on its way, or the other side is of another version. */
  | 'garbled';

/** What a try needs. */
export interface JoiningConfig extends RunConfig {
  readonly peerId: PeerId;
  /** This node's locator. */
  readonly unl: string;
}

/** How a try ends. */
export type JoiningEnd = { readonly peer: PairedPeer } | { readonly failure: JoiningFailure };

/** What comes of a message: something to say, or the end. */
export type JoiningStep = { readonly say: Buffer } | JoiningEnd;

/** The side that has had a code typed in, as a state machine: one try, by one way. */
export class Joining {
  /** What to say first. */
  readonly first: Buffer;
  readonly #config: JoiningConfig;
  readonly #run: Run;
  #result: CpaceResult | undefined;
  #isOver = false;

  constructor(config: JoiningConfig) {
    this.#config = config;
    this.#run = new Run('invited', config);
    this.first = encodePairing({ type: 'share', share: this.#run.share });
  }

  /** Whether the other side has answered: then it has been there. */
  get isAnswered(): boolean {
    return this.#result !== undefined;
  }

  /** Takes a message of the other side. Once a try has ended, whatever comes is garbled. */
  take(message: Buffer): JoiningStep {
    const step = this.#isOver ? ({ failure: 'garbled' } as const) : this.#take(message);
    if (!('say' in step)) this.#isOver = true;
    return step;
  }

  #take(message: Buffer): JoiningStep {
    const said = decodePairing(message);
    if (said?.type === 'refusal') return { failure: said.reason };
    if (said?.type === 'share' && this.#result === undefined) return this.#prove(said.share);
    if (said?.type === 'proof' && this.#result !== undefined) return this.#judge(this.#result, said);
    return { failure: 'garbled' };
  }

  #prove(share: Buffer): JoiningStep {
    const result = this.#run.finish(share);
    if (result === undefined) return { failure: 'garbled' };
    this.#result = result;
    const sealed = sealLocator(result.key, 'invited', this.#config.unl);
    return { say: encodePairing({ type: 'proof', confirmation: result.confirmation, sealed }) };
  }

  #judge(result: CpaceResult, proof: { readonly confirmation: Buffer; readonly sealed: Buffer }): JoiningStep {
    if (!result.isConfirmedBy(proof.confirmation)) return { failure: 'stranger' };
    const peer = openLocator(result.key, 'inviter', proof.sealed);
    if (peer === undefined) return { failure: 'garbled' };
    return peer.peerId === this.#config.peerId ? { failure: 'own' } : { peer };
  }
}
