import { isCarrier, type ServerReport } from '../server-report.js';

/** Servers that are remembered: a rendezvous server may name others. */
const MAX_SERVERS = 64;

/** Remembers the state of each server, so that each change, and each failure only once, is reported. */
export class ServerWatch {
  readonly #reports = new Map<string, ServerReport>();

  /** How it stands with each. */
  get all(): readonly ServerReport[] {
    return [...this.#reports.values()];
  }

  /** Records the state of a server; returns whether it has changed. */
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
    const carriers = this.all.filter(isCarrier);
    if (carriers.some(({ failure }) => failure === undefined)) return [];
    return carriers.map(({ kind, server, failure }) => `the ${kind} server ${server} ${failure ?? ''}`);
  }
}
