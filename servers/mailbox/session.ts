import { noop } from 'rxjs';
import { ownText } from '../../lib/bounds/own-text.js';
import { TokenBucket, type TokenBucketConfig } from '../../lib/bounds/rate-limit.js';
import { siteOf } from '../../lib/bounds/site.js';
import { LineTooLongError, StoreError } from '../../lib/errors.js';
import { verifyAside } from '../../lib/identity.js';
import {
  formatSessionReply,
  parseSessionRequest,
  sessionProofOf,
  type SessionRefusalCode,
  type SessionReply,
  type SessionRequest,
} from '../../lib/signalling/carriers/mailbox-lines.js';
import type { RefusalCode, TakenMessage } from '../../lib/signalling/carriers/mailbox-messages.js';
import type { Caller } from '../callers/caller.js';
import type { ClientHandler, ClientLines } from '../lines/client-lines.js';
import { isIntended } from '../lines/intended-server.js';
import type { Outbox } from '../lines/outbox.js';
import type { Due, Timer, Timers } from '../timers.js';
import { Bringing } from './bringing.js';
import type { Mailbox, Outcome } from './mailbox.js';
import type { Waiting, WhyEnded } from './polls.js';

/** What the sessions of a mailbox share. */
export interface SessionContext {
  readonly mailbox: Mailbox;
  /** The names by which clients know the server; none when it has not been told any. */
  readonly names: ReadonlySet<string>;
  /** How many lines each client may say. */
  readonly lineRate: TokenBucketConfig;
  readonly timers: Timers;
  readonly outbox: Outbox;
  /** Makes a challenge. */
  readonly newNonce: () => string;
  /** Is told when the connection of a session is gone. */
  readonly gone: (session: MailboxSession) => void;
}

type Proof = Extract<SessionRequest, { readonly verb: 'PROVE' }>;

/** A client has this long to prove its key, in milliseconds. */
const PROVE_MS = 10_000;

/** A session on which nothing was said for this long is closed, in milliseconds. Clients of ours say PING each 20 s. */
const IDLE_MS = 120_000;

const WORDS: Readonly<Record<WhyEnded, string>> = {
  replaced: 'a later session with this key takes the messages',
  'too-many-polls': 'too many wait here already',
  closing: 'this server is being stopped: use another, or come back in a while',
};

/**
 * One connection to a client that has asked for a session. A server has many thousands, most of which only wait for messages: what few of
 * them need is made when they need it.
 */
export class MailboxSession implements ClientHandler, Waiting, Due {
  /** The key that was proven; empty before. */
  owner = '';
  readonly host: string;

  readonly #lines: ClientLines;
  readonly #address: string;
  readonly #context: SessionContext;
  readonly #bucket: TokenBucket;
  readonly #idle: Timer;
  /** What the proof is checked against. */
  #unproven: { readonly nonce: string; readonly caller: Caller } | undefined;
  /** There is none while the client does not take. */
  #bringing: Bringing | undefined;
  #isOver = false;

  constructor(lines: ClientLines, caller: Caller, context: SessionContext) {
    this.#lines = lines;
    this.#address = caller.address;
    this.#unproven = { nonce: context.newNonce(), caller };
    this.#context = context;
    this.host = siteOf(caller.address);
    this.#bucket = new TokenBucket(context.lineRate);
    this.#idle = context.timers.of(this);
    this.#idle.start(PROVE_MS);
  }

  /** Begins with a challenge. */
  begin(): void {
    const { nonce = '' } = this.#unproven ?? {};
    this.#lines.start(this);
    this.#say({ verb: 'NONCE', nonce, now: this.#context.mailbox.runtime.timeOfDay() });
  }

  /** Says why, and closes. */
  refuse(code: SessionRefusalCode, words: string): void {
    if (this.#isOver) return;
    this.#context.mailbox.watch.refused('mailbox', code, this.host);
    this.#say({ verb: 'REFUSED', code, words });
    this.#lines.close();
  }

  /** Drops the client, with all that is still on its way. */
  drop(): void {
    this.#lines.drop();
  }

  line(text: string): Promise<void> | undefined {
    if (!this.#bucket.take()) {
      this.refuse('too-many-lines', `more than ${this.#context.lineRate.perSecond} lines a second`);
      return undefined;
    }
    const request = parseSessionRequest(text);
    if (this.owner === '') {
      // What is said behind the proof waits until it was looked at.
      if (request?.verb === 'PROVE') return this.#prove(request);
      this.refuse('malformed', 'expected a proof of a key first');
    } else if (request === undefined || request.verb === 'PROVE') {
      this.refuse('malformed', 'expected a line of a session in which a key is proven');
    } else {
      this.#answer(request);
      if (!this.#isOver) this.#idle.start(IDLE_MS);
    }
    return undefined;
  }

  fault(error: Error): void {
    this.refuse(error instanceof LineTooLongError ? 'line-too-long' : 'malformed', error.message);
  }

  over(): void {
    this.#isOver = true;
    this.#idle.stop();
    this.#bringing?.close();
    this.#context.mailbox.polls.leave(this);
  }

  gone(): void {
    this.#context.gone(this);
  }

  /** Nothing was said for too long. */
  due(): void {
    this.refuse('idle', 'nothing was said for too long');
  }

  arrived(): void {
    this.#bringing?.soon();
  }

  bring(message: TakenMessage): void {
    this.#say({ verb: 'MESSAGE', ...message });
  }

  ended(why: WhyEnded): void {
    this.refuse(why, WORDS[why]);
  }

  left(): void {
    // What it holds goes with its connection.
  }

  #answer(request: Exclude<SessionRequest, Proof>): void {
    switch (request.verb) {
      case 'PUT':
        this.#put(request);
        break;
      case 'TAKE':
        this.#take(request.holding);
        break;
      case 'ACK':
        this.#bringing?.acknowledge(request.receipts);
        break;
      case 'PING':
        this.#say({ verb: 'PONG', now: this.#context.mailbox.runtime.timeOfDay() });
        this.#bringing?.lookAgain();
    }
  }

  async #prove({ peerId, signature, ...dialled }: Proof): Promise<void> {
    const unproven = this.#unproven;
    // A nonce is good for one try.
    this.#unproven = undefined;
    if (unproven === undefined) {
      this.refuse('malformed', 'a proof was said already');
    } else if (!isIntended(dialled, unproven.caller, this.#context.names)) {
      this.refuse('wrong-server', 'the proof is for another server: it has to be told its names');
    } else if (!(await verifyAside(peerId, sessionProofOf(unproven.nonce, peerId, dialled), signature))) {
      this.refuse('bad-proof', 'the proof is not signed with this key');
    } else {
      this.owner = ownText(peerId);
      if (!this.#isOver) this.#idle.start(IDLE_MS);
    }
  }

  #put({ id, to, keepMs, message }: Extract<SessionRequest, { readonly verb: 'PUT' }>): void {
    const { mailbox } = this.#context;
    if (!mailbox.mayAsk(this.host)) {
      this.#decline(id, 'too-often', 'too many requests from this address');
      return;
    }
    mailbox.put({ from: this.owner, to, id, keepMs, message, seenAt: this.#address }).then(
      (outcome) => {
        this.#tell(id, outcome);
      },
      (error: unknown) => {
        if (error instanceof StoreError) this.#decline(id, 'store-unavailable', 'the store cannot be used now');
        else this.refuse('closing', 'this server cannot answer now');
      },
    );
  }

  #tell(id: string, outcome: Outcome): void {
    if ('refused' in outcome) this.#decline(id, outcome.refused, outcome.words);
    else this.#say({ verb: outcome.isPresent ? 'DELIVERED' : 'KEPT', id });
  }

  #decline(id: string, code: RefusalCode, words: string): void {
    const { watch } = this.#context.mailbox;
    watch.count('mailboxPuts', 'refused');
    watch.refused('mailbox', code, this.host);
    this.#say({ verb: 'DECLINED', id, code, words });
  }

  #take(holding: readonly string[]): void {
    const { mailbox } = this.#context;
    const isNew = this.#bringing === undefined;
    if (!mailbox.mayAsk(this.host)) {
      this.refuse('too-often', 'too many requests from this address');
    } else if (mailbox.isDraining) {
      this.ended('closing');
    } else if (isNew && !mailbox.polls.stay(this)) {
      this.ended('too-many-polls');
    } else {
      this.#bringing ??= new Bringing(this, mailbox, this.#context.outbox);
      this.#bringing.begin(holding);
      // A message may have come to another process before this one listened for it.
      const listening = isNew ? mailbox.boxes.listen(this.owner) : undefined;
      listening?.then(() => this.#bringing?.soon(), noop);
    }
  }

  #say(reply: SessionReply): void {
    this.#lines.say(formatSessionReply(reply));
  }
}
