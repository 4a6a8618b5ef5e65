import { networkOf } from '../network.js';
import type { Figures } from './figures.js';
import type { LimitedSite } from './limited-sites.js';

/** What servers did in one second, and how many there are of each at its end. */
export interface Sample {
  /** The time, in milliseconds since the epoch. */
  readonly at: number;
  readonly sessions: number;
  /** Pairs at the relay. */
  readonly pairs: number;
  /** Receivers that wait at the mailbox. */
  readonly receivers: number;
  /** Messages that the rendezvous server and the mailbox have taken. */
  readonly messages: number;
  /** Bytes that the relay has passed on. */
  readonly bytes: number;
  /** Requests of HTTP. */
  readonly requests: number;
  readonly refusals: number;
  /** By how much the event loop was late, in milliseconds. */
  readonly lagMs: number;
}

/** Whether the servers take callers in, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  /** In words, one for each thing. */
  readonly reasons: readonly string[];
}

/** How servers are, as the status page shows it. */
export interface Status extends Readiness {
  readonly version: string;
  /** Node's version. */
  readonly node: string;
  /** When the process started, in milliseconds since the epoch. */
  readonly since: number;
  /** Bytes of memory that are resident. */
  readonly memory: number;
  readonly mailbox: { readonly messages: number; readonly bytes: number; readonly oldestMs: number };
  /** How often each thing was counted since the start, by its words. */
  readonly totals: readonly (readonly [words: string, count: number])[];
  readonly refusals: readonly { readonly server: string; readonly reason: string; readonly count: number }[];
  /** Networks that were refused something in the last minutes. */
  readonly limited: readonly {
    readonly network: string;
    readonly server: string;
    readonly reason: string;
    readonly count: number;
  }[];
  readonly sample: Sample;
}

/** Networks that are shown. */
const MAX_LIMITED = 20;

/** What a status is made of. */
interface StatusConfig {
  readonly figures: Figures;
  readonly version: string;
  readonly readiness: Readiness;
  readonly sample: Sample;
  /** Whether addresses are shown in full. */
  readonly showAddresses: boolean;
}

/** How servers are now. */
export function statusOf({ figures, version, readiness, sample, showAddresses }: StatusConfig): Status {
  const { counts } = figures;
  return {
    ...readiness,
    version,
    node: process.version,
    since: Math.round(performance.timeOrigin),
    memory: process.memoryUsage.rss(),
    mailbox: {
      messages: figures.read('mailboxMessages'),
      bytes: figures.read('mailboxBytes'),
      oldestMs: figures.read('mailboxOldestMs'),
    },
    totals: [
      ['sessions opened', counts.of('rendezvousSessions')],
      ['messages passed on', counts.of('rendezvousMessages', 'sent')],
      ['messages for nobody', counts.of('rendezvousMessages', 'absent')],
      ['messages put into the mailbox', counts.of('mailboxPuts', 'kept') + counts.of('mailboxPuts', 'awaited')],
      ['pairs joined by the relay', counts.of('relaySessions', 'joined')],
      ['callers dialled back', counts.of('dialBacks')],
      ['HTTP requests', figures.answers.total],
      ['failures of the store', counts.of('storeFailures')],
    ],
    refusals: Array.from(figures.refusals.entries(), ([server, reason, count]) => ({ server, reason, count })).sort(
      (one, other) => other.count - one.count,
    ),
    limited: byNetwork(figures.limited.most(MAX_LIMITED), showAddresses),
    sample,
  };
}

/** Sites of one network are shown as one. */
function byNetwork(sites: readonly LimitedSite[], showAddresses: boolean): Status['limited'] {
  const networks = new Map<string, Status['limited'][number]>();
  for (const { site, server, reason, count } of sites) {
    const network = networkOf(site, showAddresses);
    const key = `${network} ${server} ${reason}`;
    networks.set(key, { network, server, reason, count: count + (networks.get(key)?.count ?? 0) });
  }
  return [...networks.values()].sort((one, other) => other.count - one.count);
}

/** Takes samples. */
export class Sampler {
  #before = { messages: 0, bytes: 0, requests: 0, refusals: 0 };

  constructor(
    readonly figures: Figures,
    readonly takeLag: () => number,
  ) {}

  /** What has happened since the last sample. */
  take(at: number): Sample {
    const { figures } = this;
    const { counts, answers, refusals } = figures;
    const now = {
      messages: counts.of('rendezvousMessages') + counts.of('mailboxPuts'),
      bytes: figures.read('relayBytes'),
      requests: answers.total,
      refusals: refusals.total,
    };
    const before = this.#before;
    this.#before = now;
    return {
      at,
      sessions: figures.read('rendezvousSessions'),
      pairs: figures.read('relaySessions'),
      receivers: figures.read('mailboxPolls'),
      messages: now.messages - before.messages,
      bytes: Math.max(0, now.bytes - before.bytes),
      requests: now.requests - before.requests,
      refusals: now.refusals - before.refusals,
      lagMs: Math.round(this.takeLag() * 10) / 10,
    };
  }
}
