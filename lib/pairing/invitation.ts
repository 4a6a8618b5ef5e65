import type { PeerId } from '../identity.js';
import type { Code } from './code.js';
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

/** So many wrong tries close a code: whoever guesses has three chances in 65,536, with two words. */
export const MOST_WRONG_TRIES = 3;

/** So many tries are begun for one code, whatever becomes of them: each costs a few milliseconds of this machine's time. */
const MOST_TRIES = 16;

/** What an invitation needs. */
export interface InvitationConfig extends Pick<RunConfig, 'random'> {
  readonly code: Code;
  readonly peerId: PeerId;
  /** This node's locator, as it is now. */
  readonly unl: () => string;
  /** How many wrong tries there were of the codes that this one follows; they count, too. Default: 0. */
  readonly wrongTries?: number | undefined;
}

/** A message of a node that has typed a code. */
export interface Tried {
  /** By which way it came: a server, say. What comes by one way goes on by the same. */
  readonly way: string;
  /** The id of the try. */
  readonly id: string;
  readonly message: Buffer;
}

/** What comes of a message. */
export interface InvitationStep {
  /** What to answer; nothing where no answer is due. */
  readonly answer?: Buffer | undefined;
  /** The invitation is over: who has typed the code; or it was closed, after wrong words or after too many tries that led to nothing. */
  readonly end?: PairedPeer | 'wrong' | 'crowded' | undefined;
}

/**
 * The side that has made a code, as a state machine: it takes what comes by any way, and says what to answer. It is good for one peer, and
 * counts wrong tries by all ways together.
 */
export class Invitation {
  readonly #config: InvitationConfig;
  /** Tries that have begun, and not ended. */
  readonly #runs = new Map<string, CpaceResult>();
  /** The ids of tries with wrong words: whoever tries them again, by another server, has had its try. */
  readonly #wrong = new Set<string>();
  #begun = 0;
  #refusal: PairingRefusal | undefined;

  constructor(config: InvitationConfig) {
    this.#config = config;
  }

  /** How many wrong tries there were, with those of the codes before. */
  get wrongTries(): number {
    return (this.#config.wrongTries ?? 0) + this.#wrong.size;
  }

  take({ way, id, message }: Tried): InvitationStep {
    const said = decodePairing(message);
    if (said === undefined || said.type === 'refusal') return {};
    if (this.#refusal !== undefined) return refuse(this.#refusal);
    if (this.#wrong.has(id)) return refuse('wrong');
    // An id has no white space.
    const key = `${id} ${way}`;
    return said.type === 'share' ? this.#begin(key, id, said.share) : this.#judge(key, id, said);
  }

  #begin(key: string, id: string, share: Buffer): InvitationStep {
    // A repeated beginning gets no second answer.
    if (this.#runs.has(key)) return {};
    if (this.#begun >= MOST_TRIES) {
      this.#refusal = 'closed';
      return { ...refuse('closed'), end: 'crowded' };
    }
    this.#begun++;
    const { code, random } = this.#config;
    const run = new Run('inviter', { code, id, random });
    const result = run.finish(share);
    if (result === undefined) return this.#count(id);
    this.#runs.set(key, result);
    return { answer: encodePairing({ type: 'share', share: run.share }) };
  }

  #judge(key: string, id: string, proof: { readonly confirmation: Buffer; readonly sealed: Buffer }): InvitationStep {
    const result = this.#runs.get(key);
    if (result === undefined) return {};
    this.#runs.delete(key);
    const peer = result.isConfirmedBy(proof.confirmation)
      ? openLocator(result.key, 'invited', proof.sealed)
      : undefined;
    if (peer === undefined) return this.#count(id);
    const { peerId, unl } = this.#config;
    if (peer.peerId === peerId) return refuse('own');
    this.#refusal = 'used';
    const sealed = sealLocator(result.key, 'inviter', unl());
    return { answer: encodePairing({ type: 'proof', confirmation: result.confirmation, sealed }), end: peer };
  }

  /** Counts a wrong try. */
  #count(id: string): InvitationStep {
    this.#wrong.add(id);
    if (this.wrongTries < MOST_WRONG_TRIES) return refuse('wrong');
    this.#refusal = 'closed';
    return { ...refuse('wrong'), end: 'wrong' };
  }
}

function refuse(reason: PairingRefusal): InvitationStep {
  return { answer: encodePairing({ type: 'refusal', reason }) };
}
