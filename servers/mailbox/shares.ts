import type { QuotaLimits } from './quota.js';

/** What is kept in a place of which everybody may have a share. */
export interface Shared {
  /** Whose share it is. */
  readonly site: string;
  /** In bytes. */
  readonly size: number;
}

interface Use {
  messages: number;
  bytes: number;
}

/**
 * A place of bounded size, such as one box, and who has how much of it. When it is full, whoever has least gets in for the sake
 * of whoever has most: a flood from a few sites fills it, and keeps no others out.
 */
export class Shares<T extends Shared> {
  /** By site, in the order of arrival. */
  readonly #shares = new Map<string, Use & { readonly entries: Set<T> }>();
  #messages = 0;
  #bytes = 0;

  constructor(readonly limits: QuotaLimits) {}

  /** Whether nothing is here. */
  get isEmpty(): boolean {
    return this.#messages === 0;
  }

  /**
   * What has to go so that something fits in, the newest of whoever has most first. Nothing has to where there is room;
   * `undefined` when it does not fit in: only whoever has less than another, even with what is to come, is made room for.
   *
   * @param leaving what is here, and goes in any case.
   */
  roomFor({ site, size }: Shared, leaving: readonly T[] = []): readonly T[] | undefined {
    const gone = new Set<T>();
    const left = new Map<string, Use>();
    const all = { messages: this.#messages, bytes: this.#bytes };
    const useOf = (who: string): Use => {
      const { messages = 0, bytes = 0 } = left.get(who) ?? this.#shares.get(who) ?? {};
      return { messages, bytes };
    };
    const leave = (entry: T) => {
      gone.add(entry);
      const { messages, bytes } = useOf(entry.site);
      left.set(entry.site, { messages: messages - 1, bytes: bytes - entry.size });
      all.messages--;
      all.bytes -= entry.size;
    };
    for (const entry of leaving) leave(entry);

    for (;;) {
      const isCrowded = all.messages >= this.limits.messages;
      if (!isCrowded && all.bytes + size <= this.limits.bytes) break;
      const measure = ({ messages, bytes }: Use) => (isCrowded ? messages : bytes);
      const [greediest, most] = this.#greediest((who) => measure(useOf(who)));
      if (measure(useOf(site)) + measure({ messages: 1, bytes: size }) >= most) return undefined;
      const newest = [...(this.#shares.get(greediest)?.entries ?? [])].findLast((entry) => !gone.has(entry));
      if (newest === undefined) return undefined;
      leave(newest);
    }
    for (const entry of leaving) gone.delete(entry);
    return [...gone];
  }

  add(entry: T): void {
    const share = this.#shares.get(entry.site) ?? { messages: 0, bytes: 0, entries: new Set<T>() };
    this.#shares.set(entry.site, share);
    share.entries.add(entry);
    this.#count(share, entry, 1);
  }

  /** Forgets what is here. */
  delete(entry: T): void {
    const share = this.#shares.get(entry.site);
    if (share?.entries.delete(entry) !== true) return;
    this.#count(share, entry, -1);
    if (share.messages === 0) this.#shares.delete(entry.site);
  }

  #greediest(measure: (site: string) => number): readonly [site: string, most: number] {
    let [greediest, most] = ['', 0];
    for (const site of this.#shares.keys()) {
      const use = measure(site);
      if (use > most) [greediest, most] = [site, use];
    }
    return [greediest, most];
  }

  #count(share: Use, { size }: T, by: 1 | -1): void {
    share.messages += by;
    share.bytes += by * size;
    this.#messages += by;
    this.#bytes += by * size;
  }
}
