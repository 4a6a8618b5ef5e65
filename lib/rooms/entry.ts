import { ProtocolError } from '../errors.js';
import { peerIdToKey, type PeerId } from '../identity.js';
import type { Cpace, CpaceInputs, CpaceResult } from '../pairing/cpace.js';
import type { Member } from './machine.js';
import { ROOM_VERSION, SESSION_BYTES, type EntryMessage } from './wire/hello.js';

/** Makes one side of a run of CPace. */
export type CpaceMaker = (role: 'initiator' | 'responder', inputs: CpaceInputs) => Cpace;

/** What entering a room at a peer needs. */
export interface EntryConfig {
  /** Whether this side has opened the channel. */
  readonly isOpener: boolean;
  /** Of the room. */
  readonly topic: Uint8Array;
  /** The keys that the link has proven. */
  readonly own: PeerId;
  readonly peer: PeerId;
  /** This node as others may know it, now. */
  readonly self: () => Member;
  /** In a room with a secret: what is to be proven. */
  readonly secret?: { readonly code: Uint8Array; readonly cpace: CpaceMaker } | undefined;
  /** Gives so many bytes that nobody can guess. */
  readonly random: (bytes: number) => Uint8Array;
}

/** What becomes of an entry by a message. */
export interface EntryStep {
  readonly send: readonly EntryMessage[];
  /** The peer, when it has been let in. */
  readonly member?: Member | undefined;
}

/** A run of CPace as far as it has come. */
type Run =
  | { readonly at: 'asked'; readonly session: Buffer; readonly cpace: Cpace }
  | { readonly at: 'proven'; readonly result: CpaceResult }
  | { readonly at: 'done' };

/**
 * How two nodes let each other into a room, over a channel of a connection that has proven both keys. In an open room each says hello. In one
 * with a secret both prove first that they know it, by CPace, so that nobody learns more than whether one guess was right. Without input or
 * output of its own.
 */
export class Entry {
  readonly #config: EntryConfig;
  #run: Run | undefined;
  #isOver = false;
  #mayHaveGuessed = false;

  constructor(config: EntryConfig) {
    this.#config = config;
    if (config.secret === undefined) this.#run = { at: 'done' };
  }

  /**
   * Whether the peer has learned whether a secret that it tried is the right one, and has not entered: it was shown a confirmation, or has shown
   * a wrong one.
   */
  get mayHaveGuessed(): boolean {
    return this.#mayHaveGuessed;
  }

  /** What to say at once. */
  begin(): readonly EntryMessage[] {
    const { isOpener, secret, random } = this.#config;
    if (secret === undefined) return [this.#hello()];
    if (!isOpener) return [];
    const session = Buffer.from(random(SESSION_BYTES));
    const cpace = secret.cpace('initiator', this.#inputs(secret.code, session));
    this.#run = { at: 'asked', session, cpace };
    return [{ type: 'ask', version: ROOM_VERSION, session, share: Buffer.from(cpace.message.share) }];
  }

  /**
   * Takes what the peer says.
   *
   * @throws ProtocolError when the peer does not know the secret, or says what it may not say now.
   */
  take(message: EntryMessage): EntryStep {
    if (this.#isOver) throw new ProtocolError('Expected a peer to enter a room once');
    switch (message.type) {
      case 'ask':
        return this.#answer(message);
      case 'proof':
        return this.#confirm(message);
      case 'confirm':
        return this.#believe(message);
      case 'hello':
        if (this.#run?.at !== 'done') throw new ProtocolError('Expected a peer to prove the secret of the room first');
        if (message.member.id !== this.#config.peer)
          throw new ProtocolError("Expected a peer to name its own locator in a room, got another's");
        this.#isOver = true;
        return { send: [], member: message.member };
    }
  }

  #answer({ session, share }: Extract<EntryMessage, { type: 'ask' }>): EntryStep {
    const { secret, isOpener } = this.#config;
    if (secret === undefined || isOpener || this.#run !== undefined) throw unexpected();
    const cpace = secret.cpace('responder', this.#inputs(secret.code, session));
    const result = cpace.finish({ share, data: NO_DATA });
    if (result === undefined) throw unexpected();
    this.#run = { at: 'proven', result };
    this.#mayHaveGuessed = true;
    const { confirmation } = result;
    return { send: [{ type: 'proof', version: ROOM_VERSION, share: Buffer.from(cpace.message.share), confirmation }] };
  }

  #confirm({ share, confirmation }: Extract<EntryMessage, { type: 'proof' }>): EntryStep {
    if (this.#run?.at !== 'asked') throw unexpected();
    const result = this.#run.cpace.finish({ share, data: NO_DATA });
    if (result?.isConfirmedBy(confirmation) !== true) {
      this.#mayHaveGuessed = true;
      throw wrongSecret();
    }
    this.#run = { at: 'done' };
    return { send: [{ type: 'confirm', confirmation: result.confirmation }, this.#hello()] };
  }

  #believe({ confirmation }: Extract<EntryMessage, { type: 'confirm' }>): EntryStep {
    if (this.#run?.at !== 'proven') throw unexpected();
    if (!this.#run.result.isConfirmedBy(confirmation)) throw wrongSecret();
    this.#run = { at: 'done' };
    this.#mayHaveGuessed = false;
    return { send: [this.#hello()] };
  }

  #hello(): EntryMessage {
    return { type: 'hello', version: ROOM_VERSION, member: this.#config.self() };
  }

  /** Both keys are part of the run: a proof holds between these two, for this room, and in this run alone. */
  #inputs(code: Uint8Array, session: Uint8Array): CpaceInputs {
    const { isOpener, own, peer, topic } = this.#config;
    const [opener, other] = isOpener ? [own, peer] : [peer, own];
    const keys = [opener, other].map((id) => peerIdToKey(id) ?? NO_DATA);
    return { code, channel: Buffer.concat([CHANNEL, topic, ...keys]), session };
  }
}

const CHANNEL = Buffer.from('rxp2p room entry 1 ');

/** What is said along with a share: nothing. */
export const NO_DATA = new Uint8Array(0);

function unexpected(): ProtocolError {
  return new ProtocolError('Expected a peer to enter the room, got a message out of turn');
}

function wrongSecret(): ProtocolError {
  return new ProtocolError('Expected a peer that knows the secret of the room');
}
