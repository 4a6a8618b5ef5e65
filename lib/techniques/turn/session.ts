import { defer, EMPTY, filter, from, map, merge, retry, take, type Observable } from 'rxjs';
import { DialError } from '../../errors.js';
import { within } from '../../operators/within.js';
import { longTermKey, readIntact, withIntegrity } from '../../stun/integrity.js';
import {
  decodeStun,
  encodeStun,
  errorIn,
  hasUnknownAttribute,
  TRANSACTION_BYTES,
  withFingerprint,
  type StunAttribute,
  type StunMessage,
} from '../../stun/messages.js';
import { challengeIn, credentialsOf, type Challenge } from '../../stun/turn.js';
import { formatTurn, type TurnServer } from '../../stun/turn-name.js';
import type { Wire, WireConfig } from './wire.js';

/** What a TURN server is asked for. */
export interface TurnRequest {
  readonly method: number;
  readonly attributesOf: (transaction: Buffer) => readonly StunAttribute[];
}

/** Codes of errors (RFC 8489 §14.8, RFC 8656 §19) that are dealt with. */
const UNAUTHENTICATED = 401;
const STALE_NONCE = 438;

/** What is meant by codes whose own words help nobody. */
const WORDS: Readonly<Record<number, string>> = {
  300: 'it sends this node to another server, where it does not go',
  401: 'it does not know this user name, or the password is another',
  403: 'it does not relay to this address',
  437: 'it has an allocation for this connection already',
  441: 'the allocation belongs to another user',
  442: 'it relays no TCP',
  446: 'it has a connection to this endpoint of the peer already',
  447: 'it cannot connect to this endpoint of the peer',
  486: 'this user has as many allocations as it may',
  508: 'it has no room',
};

/** A TURN server refuses. */
export class TurnRefusedError extends DialError {
  /** What is meant. */
  readonly words: string;

  constructor(
    server: TurnServer,
    /** The code of RFC 8489 §14.8 or RFC 8656 §19. */
    readonly refusal: number,
    words: string,
    /** What it wants requests to be signed with. */
    readonly challenge: Challenge | undefined,
  ) {
    const meant = WORDS[refusal] ?? words;
    super(`The TURN server ${formatTurn(server)} refuses (${refusal}): ${meant}`);
    this.words = meant;
  }
}

/** How often the server may ask for another nonce at one request. */
const MAX_NONCES = 3;

/**
 * What a TURN server has asked this node's requests to be signed with, on whichever connection: long-term credentials (RFC 8489
 * §9.2). The server's answers to signed requests have to be signed, too.
 */
export class TurnSession {
  readonly #server: TurnServer;
  readonly #config: WireConfig;
  #signed: { readonly key: Buffer; readonly attributes: readonly StunAttribute[] } | undefined;

  constructor(server: TurnServer, config: WireConfig) {
    this.#server = server;
    this.#config = config;
  }

  /**
   * Asks, and asks again where the server wants the request signed, or has a new nonce. Emits the answer and completes.
   *
   * @throws TurnRefusedError when the server refuses; TimeoutError when it does not answer; ClosedError when the connection ends.
   */
  ask$(wire: Wire, request: TurnRequest): Observable<StunMessage> {
    const { timeoutMs, runtime } = this.#config;
    return this.#askOnce$(wire, request).pipe(
      retry({
        count: MAX_NONCES,
        delay: (error: unknown) => {
          const challenge = error instanceof TurnRefusedError ? error.challenge : undefined;
          const { refusal = 0 } = error instanceof TurnRefusedError ? error : {};
          const isFirst = refusal === UNAUTHENTICATED && this.#signed === undefined;
          if (challenge === undefined || !(isFirst || refusal === STALE_NONCE)) throw error;
          return from(this.#answer(challenge));
        },
      }),
      within(timeoutMs, `The TURN server ${formatTurn(this.#server)} did not answer`, runtime.scheduler),
    );
  }

  /** A request for which nobody waits, such as one that gives back. */
  sign(request: TurnRequest): Buffer {
    return this.#write(request, this.#newTransaction());
  }

  #askOnce$({ send, message$ }: Wire, request: TurnRequest): Observable<StunMessage> {
    return defer(() => {
      const transaction = this.#newTransaction();
      const answer$ = message$.pipe(
        map((bytes) => ({ bytes, message: decodeStun(bytes) })),
        filter(
          ({ message }) =>
            message?.transaction.equals(transaction) === true &&
            message.method === request.method &&
            (message.class === 'success' || message.class === 'error'),
        ),
        take(1),
        map(({ bytes, message }) => this.#read(bytes, message)),
      );
      const sent$ = defer(() => {
        send(this.#write(request, transaction));
        return EMPTY;
      });
      return merge(answer$, sent$);
    });
  }

  #read(bytes: Buffer, message: StunMessage | undefined): StunMessage {
    const { code = 0, words = '' } = (message && errorIn(message)) ?? {};
    if (message?.class === 'error')
      throw new TurnRefusedError(this.#server, code, words, code === 0 ? undefined : challengeIn(message));
    // RFC 8489 §9.2.5: who does not know the password cannot answer in the server's place.
    const intact = this.#signed === undefined ? message : readIntact(bytes, this.#signed.key);
    if (intact === undefined || hasUnknownAttribute(intact))
      throw new DialError(`The TURN server ${formatTurn(this.#server)} does not prove that it knows the password`);
    return intact;
  }

  #write({ method, attributesOf }: TurnRequest, transaction: Buffer): Buffer {
    const { key, attributes: by = [] } = this.#signed ?? {};
    const attributes = [...attributesOf(transaction), ...by];
    const message = encodeStun({ method, class: 'request', transaction, attributes });
    return withFingerprint(key === undefined ? message : withIntegrity(message, key));
  }

  async #answer(challenge: Challenge): Promise<void> {
    const { username, credential } = await this.#server.credentials();
    this.#signed = {
      key: longTermKey(username, Buffer.from(challenge.realm).toString('utf8'), credential),
      attributes: credentialsOf({ username, ...challenge }),
    };
  }

  #newTransaction(): Buffer {
    return Buffer.from(this.#config.runtime.newId(), 'base64url').subarray(0, TRANSACTION_BYTES);
  }
}
