import { siteBuckets } from '../bounds/rate-limit.js';
import { familyOf, type Endpoint } from '../endpoint.js';
import type { Source } from '../link/multicast.js';
import { TYPE, type DnsMessage, type DnsRecord, type Question } from './dns/message.js';
import { siteOfNeighbour, TTL_S } from './neighbourhood.js';
import { hostOf, SERVICE } from './statement.js';

/** By this name one asks which services there are (RFC 6763 §9). */
export const ENUMERATION = '_services._dns-sd._udp.local';

/** Between two times that the same is said to all: what others ask does not make it more often (RFC 6762 §6). */
const QUIET_MS = 1_000;

/** Records that are taken back in one packet, the last ones. Others end with their time. */
const MAX_WITHDRAWN = 8;

/** An answer waits for so long, so that several that answer do not collide (RFC 6762 §6). */
const ANSWER = { delayMs: 20, jitterMs: 100 };

/** What is new is said twice, since one packet may be lost (RFC 6762 §8.3). */
const TIMES_TOLD = 2;

/** Resolvers that know nothing of multicast DNS get an answer of their own, which they keep for so long (RFC 6762 §6.7). */
const LEGACY_TTL_S = 10;

/** How many of these answers one host gets. */
const LEGACY = { perSecond: 1, burst: 5, maxSites: 256 };

/** What a node announces. */
export interface Announcement {
  /** The name of its service. */
  readonly instance: string;
  /** Its statement, as strings of a TXT record. */
  readonly texts: readonly Buffer[];
  /** Where it listens on the local network. */
  readonly endpoints: readonly Endpoint[];
}

/** A message for all, or for one. */
export interface Message {
  readonly message: DnsMessage;
  readonly to?: Source | undefined;
}

/** What the responder needs of the outside. */
interface ResponderConfig {
  /** The port of multicast DNS. */
  readonly port: number;
  readonly now: () => number;
  readonly random: () => number;
}

/**
 * Announces this node, and answers those who ask for it. The records are shared in the sense of RFC 6762 §2: their names follow from the
 * key, so that no other node has them, and whoever says something else by such a name has no signature for it. So nothing is
 * probed for, and there are no conflicts. Pure: says what to send, and when to ask again.
 */
export class Responder {
  #own: Announcement | undefined;
  #records: readonly DnsRecord[] = [];
  /** What is not true any more, and was said. */
  #withdrawn: readonly DnsRecord[] = [];
  #sayAt: number | undefined;
  #timesLeft = 0;
  #saidAt = -Infinity;
  /** Whether somebody has asked which services there are. */
  #isListed = false;
  /** Whether what this node says has been said. */
  #isSaid = false;
  /** What names its records. */
  #keys: ReadonlySet<string> = new Set();
  #unicast: Message[] = [];
  readonly #mayAnswer: (site: string) => boolean;

  constructor(readonly config: ResponderConfig) {
    this.#mayAnswer = siteBuckets({ ...LEGACY, now: config.now });
  }

  get nextAt(): number | undefined {
    return this.#unicast.length > 0 ? this.config.now() : this.#sayAt;
  }

  /** Announces this node from now on; `undefined`: says goodbye, at once. */
  announce(own: Announcement | undefined): void {
    const before = this.#isSaid ? this.#records : [];
    this.#isSaid = false;
    this.#own = own;
    this.#records = own === undefined ? [] : recordsOf(own);
    this.#keys = new Set(this.#records.map(keyOf));
    const withdrawn = [...this.#withdrawn, ...before].filter((record) => !this.#keys.has(keyOf(record)));
    this.#withdrawn = withdrawn.slice(-MAX_WITHDRAWN);
    this.renew();
    if (own !== undefined) return;
    this.#timesLeft = 1;
    this.#sayAt = this.#withdrawn.length > 0 ? this.config.now() : undefined;
  }

  /**
   * Announces anew: somebody may have heard something wrong.
   *
   * @param isElsewhere there is another network, where nothing has been said yet.
   */
  renew(isElsewhere = false): void {
    if (this.#own === undefined) return;
    this.#timesLeft = TIMES_TOLD;
    if (isElsewhere) this.#saidAt = -Infinity;
    this.#say(0);
  }

  /** Takes a question. */
  asked({ id, questions, answers }: DnsMessage, from: Source): void {
    const own = this.#own;
    if (own === undefined) return;
    const wanted = questions.filter((question) => isOf(question, own) && !isKnown(question, own, answers));
    if (wanted.length === 0) return;
    const lists = wanted.some(({ name }) => name === ENUMERATION);
    if (from.port === this.config.port) {
      this.#isListed ||= lists;
      this.#timesLeft = Math.max(1, this.#timesLeft);
      this.#say(ANSWER.delayMs + this.config.random() * ANSWER.jitterMs);
    } else if (this.#mayAnswer(siteOfNeighbour(from.address))) {
      const records = [...(lists ? [LISTED] : []), ...this.#records];
      const all = records.map((record) => ({ ...record, ttl: LEGACY_TTL_S }));
      this.#unicast.push({ to: from, message: { ...answerOf(all), id, questions: wanted } });
    }
  }

  /** Somebody says what this node says. Where it soon does not hold any more, this node says otherwise (RFC 6762 §6.6). */
  overheard(record: DnsRecord): void {
    if (record.ttl < TTL_S / 2 && this.#keys.has(keyOf(record))) this.renew();
  }

  /** What is to be sent now. */
  take(): readonly Message[] {
    const due = this.#unicast;
    this.#unicast = [];
    const now = this.config.now();
    if (this.#sayAt === undefined || this.#sayAt > now) return due;
    const gone = this.#withdrawn.map((record) => ({ ...record, ttl: 0 }));
    const message = answerOf([...gone, ...(this.#isListed ? [LISTED] : []), ...this.#records]);
    this.#withdrawn = [];
    this.#isSaid = true;
    this.#isListed = false;
    // A goodbye is no reason to wait: who comes back at once is announced at once.
    if (this.#own !== undefined) this.#saidAt = now;
    this.#sayAt = --this.#timesLeft > 0 ? now + QUIET_MS : undefined;
    return [...due, { message }];
  }

  #say(inMs: number): void {
    const now = this.config.now();
    const at = Math.max(now + inMs, this.#saidAt + QUIET_MS);
    this.#sayAt = Math.min(this.#sayAt ?? at, at);
  }
}

const LISTED: DnsRecord = { name: ENUMERATION, ttl: TTL_S, type: 'PTR', target: SERVICE };

function answerOf(answers: readonly DnsRecord[]): DnsMessage {
  return { id: 0, isResponse: true, questions: [], answers, additionals: [] };
}

/** All that a node says, which is said together. */
function recordsOf({ instance, texts, endpoints }: Announcement): DnsRecord[] {
  const [first] = endpoints;
  const host = hostOf(instance);
  const addresses = [...new Set(endpoints.map(({ address }) => address))];
  return [
    { name: SERVICE, ttl: TTL_S, type: 'PTR', target: instance },
    { name: instance, ttl: TTL_S, type: 'TXT', texts },
    ...(first === undefined
      ? []
      : [{ name: instance, ttl: TTL_S, type: 'SRV', port: first.port, target: host } as const]),
    ...addresses.map((address) => {
      const type = familyOf(address) === 4 ? 'A' : 'AAAA';
      return { name: host, ttl: TTL_S, type, address } as const;
    }),
  ];
}

function isOf({ name, type }: Question, { instance }: Announcement): boolean {
  const isType = (...types: readonly number[]) => type === TYPE.ANY || types.includes(type);
  if (name === SERVICE || name === ENUMERATION) return isType(TYPE.PTR);
  if (name === instance) return isType(TYPE.SRV, TYPE.TXT);
  return name === hostOf(instance) && isType(TYPE.A, TYPE.AAAA);
}

/** Whether who asks knows the answer, for half of its time yet (RFC 6762 §7.1). */
function isKnown({ name }: Question, { instance, texts }: Announcement, known: readonly DnsRecord[]): boolean {
  return known.some((record) => {
    if (record.name !== name || record.ttl < TTL_S / 2) return false;
    if (record.type === 'PTR') return record.target === instance;
    return record.type === 'TXT' && Buffer.concat(record.texts).equals(Buffer.concat(texts));
  });
}

/** A record without its time. */
function keyOf(record: DnsRecord): string {
  const data = record.type === 'TXT' ? record.texts.map((text) => text.toString('latin1')) : { ...record, ttl: 0 };
  return JSON.stringify([record.name, record.type, data]);
}
