import { Seen } from '../bounds/seen.js';
import { TYPE, type DnsMessage, type DnsRecord } from './dns/message.js';
import { TTL_S, type Neighbourhood } from './neighbourhood.js';
import { SERVICE } from './statement.js';

/** The first question waits for so long, so that machines which start together do not ask together (RFC 6762 §5.2). */
const FIRST = { delayMs: 20, jitterMs: 100 };

/**
 * Between two questions for all nodes: a second, and then each time three times as long, up to this many milliseconds (RFC 6762 §5.2).
 * What was heard holds for four times as long, so that one lost packet does no harm.
 */
const PAUSE = { firstMs: 1_000, mostMs: 30_000, factor: 3 };

/** The same is asked for once a second at most (RFC 6762 §5.2). */
const QUIET_MS = 1_000;

/** So often others' questions count as this node's own; then it asks itself, since somebody may have sent them to this node alone. */
const MAX_SKIPPED = 3;

/** An answer takes up to this time, in milliseconds: the node may have said the same a second before, and waits a little more. */
const ANSWER_MS = 2_000;

/** This node hears its own questions, too, within this time in milliseconds. */
const ECHO_MS = 100;

/** Names in one question; more are asked for by the next. */
const MAX_NAMES = 16;

/** Names that wait to be asked for. An application that looks for more at once has to look again. */
const MAX_WAITING = 256;

/** Answers that a question says it knows, so that it fits into one packet. Nodes beyond them answer again. */
const MAX_KNOWN = 24;

/** What the asker needs of the outside. */
interface AskerConfig {
  readonly now: () => number;
  readonly random: () => number;
  readonly neighbourhood: Neighbourhood;
  /** This node's own name, which it need not be told. */
  readonly instance: string;
}

/** Asks who is there: for all nodes from time to time, and for one when it is looked for. Pure: says what to send, and when to ask again. */
export class Asker {
  #askAt: number | undefined;
  #askedAt = -Infinity;
  #skipped = 0;
  /** Between the last question and the next. */
  #pauseMs = 0;
  readonly #wanted = new Set<string>();
  readonly #asked: Seen;

  constructor(readonly config: AskerConfig) {
    this.#asked = new Seen({ forMs: QUIET_MS, maxEntries: MAX_WAITING, now: config.now });
  }

  get nextAt(): number | undefined {
    return this.#wanted.size > 0 ? this.config.now() : this.#askAt;
  }

  /** Asks for all nodes, soon and then less and less often. */
  begin(): void {
    const { now, random } = this.config;
    this.#pauseMs = 0;
    this.#askAt = now() + FIRST.delayMs + random() * FIRST.jitterMs;
  }

  /** Asks for nothing any more. */
  end(): void {
    this.#askAt = undefined;
    this.#wanted.clear();
  }

  /** Asks for one node. */
  seek(instance: string): void {
    if (this.#wanted.size < MAX_WAITING && this.#asked.add(instance)) this.#wanted.add(instance);
  }

  /** Another node asks. Its question is as good as one of this node's, if it does not know more (RFC 6762 §7.3). */
  overheard({ questions, answers }: DnsMessage): void {
    const now = this.config.now();
    if (this.#askAt === undefined || this.#skipped >= MAX_SKIPPED || now < this.#askedAt + ECHO_MS) return;
    const isSame = questions.some(({ name, type }) => name === SERVICE && type === TYPE.PTR);
    if (!isSame) return;
    const known = new Set(this.#known().map(targetOf));
    if (!answers.map(targetOf).every((target) => known.has(target))) return;
    const askAt = Math.max(this.#askAt, now + this.#pauseMs);
    // Whoever asks may be heard by this node alone, and then nobody answers: what is known must not end meanwhile.
    const endsAt = this.config.neighbourhood.nextAt;
    if (endsAt !== undefined && askAt + ANSWER_MS > endsAt) return;
    this.#askAt = askAt;
    this.#skipped++;
  }

  /** What is to be sent now. */
  take(): readonly DnsMessage[] {
    const now = this.config.now();
    const messages: DnsMessage[] = [];
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    for (let at = 0; at < wanted.length; at += MAX_NAMES) {
      const questions = wanted.slice(at, at + MAX_NAMES).map((name) => ({ name, type: TYPE.TXT }));
      messages.push({ ...QUESTION, questions });
    }
    if (this.#askAt !== undefined && this.#askAt <= now) {
      this.#pauseMs = Math.min(Math.max(this.#pauseMs * PAUSE.factor, PAUSE.firstMs), PAUSE.mostMs);
      this.#askAt = now + this.#pauseMs;
      this.#askedAt = now;
      this.#skipped = 0;
      messages.push({ ...QUESTION, questions: [{ name: SERVICE, type: TYPE.PTR }], answers: this.#known() });
    }
    return messages;
  }

  /** What need not be said: this node's own name, and those of nodes that were heard a short time ago. */
  #known(): readonly DnsRecord[] {
    const { neighbourhood, instance } = this.config;
    const others = neighbourhood.all.flatMap(({ claim: { peerId, instance: target } }) => {
      const ttl = neighbourhood.secondsLeftOf(peerId);
      return ttl < TTL_S / 2 ? [] : [{ target, ttl }];
    });
    return [{ target: instance, ttl: TTL_S }, ...others.slice(0, MAX_KNOWN)].map(
      ({ target, ttl }) => ({ name: SERVICE, ttl, type: 'PTR', target }) as const,
    );
  }
}

const QUESTION = { id: 0, isResponse: false, questions: [], answers: [], additionals: [] } as const;

function targetOf(record: DnsRecord): string | undefined {
  return record.type === 'PTR' ? record.target : undefined;
}
