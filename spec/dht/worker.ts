import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ServerAddress } from '../../lib/endpoint.js';
import type { PeerId } from '../../lib/identity.js';
import { readReport, type Order } from './orders.js';
import type { Arrival } from './swarm.js';
import type { Part } from './trial.js';

/** Nodes of a trial in a process of their own. */
export class Worker implements Part {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (result: string) => void>();
  #lastId = 0;

  constructor(bootstrap: readonly ServerAddress[], onArrival: (arrival: Arrival) => void) {
    this.#process = fork(fileURLToPath(new URL('nodes.js', import.meta.url)));
    this.#process.on('message', (message) => {
      const report = readReport(message);
      if (report.type === 'arrival') onArrival(report);
      else {
        this.#waiting.get(report.id)?.(report.result);
        this.#waiting.delete(report.id);
      }
    });
    // Whatever ends before its time shall not keep the trial waiting.
    this.#process.once('exit', () => {
      for (const done of this.#waiting.values()) done('gone');
    });
    this.#say({ type: 'begin', bootstrap });
  }

  join(bind: string): Promise<PeerId> {
    return this.#ask((id) => ({ type: 'join', id, bind }));
  }

  async lie(bind: string): Promise<void> {
    await this.#ask((id) => ({ type: 'lie', id, bind }));
  }

  leave(peerId: PeerId): void {
    this.#say({ type: 'leave', peerId });
  }

  send(from: PeerId, to: PeerId, text: string): Promise<string> {
    return this.#ask((id) => ({ type: 'send', id, from, to, text }));
  }

  /** Ends the process, and all of its nodes. */
  close(): void {
    this.#process.disconnect();
  }

  #ask(order: (id: number) => Order): Promise<string> {
    return new Promise((resolve) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, resolve);
      this.#say(order(id));
    });
  }

  #say(order: Order): void {
    this.#process.send(JSON.stringify(order));
  }
}
