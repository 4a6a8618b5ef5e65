import type { ServerReport } from '../server-report.js';

/** Servers that are remembered: a rendezvous server may name others. */
const MAX_SERVERS = 64;

/** Remembers how it stands with each server, so that a change is told, and the same failure only once. */
export class ServerWatch {
  readonly #reports = new Map<string, ServerReport>();

  /** How it stands with each. */
  get all(): readonly ServerReport[] {
    return [...this.#reports.values()];
  }

  /** Takes in how it stands with a server; returns whether that is news. */
  note({ kind, server, failure }: ServerReport): boolean {
    const key = `${kind} ${server}`;
    const before = this.#reports.get(key);
    if (before !== undefined && before.failure === failure) return false;
    if (before === undefined && this.#reports.size >= MAX_SERVERS) return false;
    this.#reports.set(key, { kind, server, failure });
    return true;
  }

  /** What is wrong with those that carry signals; empty while any of them may carry one. */
  unreachable(): readonly string[] {
    const carriers = this.all.filter(({ kind }) => kind !== 'reachability');
    if (carriers.some(({ failure }) => failure === undefined)) return [];
    return carriers.map(({ kind, server, failure }) => `the ${kind} server ${server} ${failure ?? ''}`);
  }
}
