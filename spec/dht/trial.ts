import type { Endpoint } from '../../lib/endpoint.js';
import type { PeerId } from '../../lib/identity.js';
import type { Arrival } from './swarm.js';

/** Some of the nodes of a trial, in this process or another one. */
export interface Part {
  join(bind: string): Promise<PeerId>;
  lie(bind: string): Promise<void>;
  leave(peerId: PeerId): void;
  /** Resolves when the sender has been told what became of it. */
  send(from: PeerId, to: PeerId, text: string): Promise<string>;
}

/** What is tried. */
export interface TrialConfig {
  /** Nodes in all. */
  readonly nodes: number;
  /** How many of them lie. */
  readonly liars: number;
  /** A node leaves, and another joins, this often, in milliseconds. */
  readonly churnEveryMs: number;
  readonly messages: number;
  readonly messageEveryMs: number;
  /** A node that has joined settles down for so long before it sends or is sent to, in milliseconds. */
  readonly settleMs: number;
  /** A message that has not arrived after so long never does, in milliseconds. */
  readonly lostAfterMs: number;
  /** The address of each node that joins. */
  readonly address: (index: number) => string;
}

/** What came of it. */
export interface TrialResult {
  /** Messages of which the sender and the receiver stayed. */
  readonly sent: number;
  readonly arrived: number;
  /** Milliseconds from `send$` to `parcel$`. */
  readonly medianMs: number;
  readonly p95Ms: number;
  /** What the senders were told. */
  readonly told: Readonly<Record<string, number>>;
  /** Nodes that left and joined. */
  readonly churned: number;
}

interface Living {
  readonly peerId: PeerId;
  readonly part: Part;
  readonly since: number;
}

interface Message {
  readonly from: PeerId;
  readonly to: PeerId;
  readonly at: number;
  arrivedAt: number | undefined;
}

/** One trial: nodes that come and go send to each other, and it is counted what arrives. */
export class Trial {
  readonly #messages = new Map<string, Message>();

  constructor(readonly config: TrialConfig) {}

  /** A parcel has come. */
  arrived({ to, text }: Arrival): void {
    const message = this.#messages.get(text);
    if (message?.to === to) message.arrivedAt ??= performance.now();
  }

  /** Runs it with the given parts; its time is bounded by what is configured. */
  async run(parts: readonly Part[]): Promise<TrialResult> {
    const { nodes, liars, churnEveryMs, messages, messageEveryMs, settleMs, lostAfterMs, address } = this.config;
    const living: Living[] = [];
    let joined = 0;
    let churned = 0;
    const partAt = (index: number): Part => parts[index % parts.length] ?? raise();
    const join = async () => {
      const part = partAt(joined);
      const peerId = await part.join(address(joined++));
      living.push({ peerId, part, since: performance.now() });
    };
    // Liars and others in turns, so that the first ones are not all of a kind.
    const every = liars === 0 ? Infinity : Math.floor(nodes / liars);
    for (let index = 0; index < nodes; index++) {
      if (index % every === every - 1) await partAt(joined).lie(address(joined++));
      else await join();
    }
    await pause(settleMs);

    const told: Record<string, number> = {};
    const gone = new Map<PeerId, number>();
    const pending: Promise<unknown>[] = [];
    const began = performance.now();
    let nextChurn = began + churnEveryMs;
    for (let index = 0; index < messages; index++) {
      const now = performance.now();
      if (now >= nextChurn) {
        nextChurn += churnEveryMs;
        const [left] = living.splice(Math.floor(Math.random() * living.length), 1);
        if (left !== undefined) {
          gone.set(left.peerId, now);
          left.part.leave(left.peerId);
        }
        pending.push(join());
        churned++;
      }
      const settled = living.filter(({ since }) => since + settleMs <= now);
      const from = settled[Math.floor(Math.random() * settled.length)] ?? raise();
      const others = settled.filter((other) => other !== from);
      const to = others[Math.floor(Math.random() * others.length)] ?? raise();
      const text = `message ${index}`;
      this.#messages.set(text, { from: from.peerId, to: to.peerId, at: performance.now(), arrivedAt: undefined });
      pending.push(
        from.part.send(from.peerId, to.peerId, text).then((delivery) => {
          told[delivery] = (told[delivery] ?? 0) + 1;
        }),
      );
      await pause(began + (index + 1) * messageEveryMs - performance.now());
    }
    await pause(lostAfterMs);
    await Promise.race([Promise.all(pending), pause(lostAfterMs)]);

    // Who has left meanwhile was not there to send or to receive.
    const counted = [...this.#messages.values()].filter(({ from, to, at }) => {
      const until = at + lostAfterMs;
      return [from, to].every((peerId) => (gone.get(peerId) ?? Infinity) > until);
    });
    const times = counted
      .flatMap(({ at, arrivedAt }) => (arrivedAt === undefined ? [] : [arrivedAt - at]))
      .sort((a, b) => a - b);
    const quantile = (share: number) => times[Math.floor(share * times.length)] ?? NaN;
    return {
      sent: counted.length,
      arrived: times.length,
      medianMs: quantile(0.5),
      p95Ms: quantile(0.95),
      told,
      churned,
    };
  }
}

/** The addresses of a trial's nodes, each of its own on the loopback. */
export function addressesFrom(first: number): (index: number) => string {
  return (index) => `127.${first}.${index >> 8}.${1 + ((index & 0xff) % 254)}`;
}

/** Where a first node is, as a bootstrap list. */
export function bootstrapOf({ address, port }: Endpoint): readonly { readonly host: string; readonly port: number }[] {
  return [{ host: address, port }];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.max(0, ms));
  });
}

function raise(): never {
  throw new RangeError('There are too few nodes');
}
