import { BehaviorSubject, filter, firstValueFrom, map, NEVER, shareReplay, Subscription, type Observable } from 'rxjs';
import { DEFAULT_TIMING } from '../../lib/config.js';
import { createIdentity } from '../../lib/identity.js';
import { sessions$, type ServerState } from '../../lib/rendezvous/client.js';
import { OUR_DIALECT } from '../../lib/rendezvous/our-dialect.js';
import type { RendezvousSession } from '../../lib/rendezvous/session.js';
import { systemRuntime } from '../../lib/runtime.js';
import { rendezvousCarrier } from '../../lib/signalling/carriers/rendezvous.js';
import { Program, RXP2P } from '../support/program.js';
import { leftToCi } from '../support/left-to-ci.js';

const CLIENTS = 12;
const SERVERS = ['127.0.0.1', '127.0.0.2'] as const;

/** A node as far as its rendezvous servers go: the real client, and the carrier of its signals. */
class Client {
  readonly identity = createIdentity();
  readonly heard = new Set<string>();
  /** How many servers it has a session with, whenever that changes. */
  readonly counts: number[] = [];
  readonly #states = new BehaviorSubject<readonly ServerState[]>([]);
  readonly #all = new Subscription();
  readonly #carrier;

  constructor(servers: readonly { readonly host: string; readonly port: number }[]) {
    const config = {
      identity: this.identity,
      bind: undefined,
      dialect: OUR_DIALECT,
      runtime: systemRuntime,
      timing: DEFAULT_TIMING,
      network$: NEVER,
    };
    const open$: Observable<readonly RendezvousSession[]> = this.#states.pipe(
      map((states) => states.map(({ session }) => session).filter((session) => session !== undefined)),
      shareReplay({ bufferSize: 1, refCount: true }),
    );
    this.#carrier = rendezvousCarrier({ sessions$: open$, runtime: systemRuntime });
    this.#all.add(this.#carrier.parcel$.subscribe(({ bytes }) => this.heard.add(bytes.toString())));
    this.#all.add(open$.subscribe(({ length }) => this.counts.push(length)));
    this.#all.add(sessions$(servers, config, () => undefined).subscribe(this.#states));
  }

  /** Waits until it has a session with so many servers. */
  async at(count: number): Promise<void> {
    await firstValueFrom(
      this.#states.pipe(filter((states) => states.filter(({ session }) => session !== undefined).length === count)),
    );
  }

  /** Sends a text to another. Returns what became of it. */
  send(to: Client, text: string): Promise<string> {
    return firstValueFrom(this.#carrier.send$(to.identity.peerId, Buffer.from(text), { keepMs: 0 }));
  }

  close(): void {
    this.#all.unsubscribe();
  }
}

describe('A rolling restart of two servers', () => {
  const programs: Program[] = [];
  const clients: Client[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.splice(0).map((program) => program.exit()));
  });

  /** A server in a process of its own: it, and its port. */
  async function start(bind: string, port = 0) {
    const program = new Program(RXP2P, [
      ...['serve', '--bind', bind, '--port', String(port), '--http-port', '0'],
      // Clients say as much as they can.
      ...['--limit', 'rendezvous.linesPerSecond=1000000', '--limit', 'rendezvous.lineBurst=1000000'],
    ]);
    programs.push(program);
    await program.line(/^http /);
    return { program, host: bind, port: Number(program.lines[0]?.split(':').at(-1)) };
  }

  it('loses no signal, and leaves no node without a session, under load', async () => {
    leftToCi();
    const servers = await Promise.all(SERVERS.map((bind) => start(bind)));
    for (let count = 0; count < CLIENTS; count++) clients.push(new Client(servers));
    await Promise.all(clients.map((client) => client.at(servers.length)));

    const load = { isOn: true, absent: [] as string[], sent: 0 };
    const missing: string[] = [];
    const loads = clients.map(async (client, index) => {
      const to = clients[(index + 1) % CLIENTS] ?? client;
      const texts: string[] = [];
      while (load.isOn) {
        const text = `${index} ${load.sent++}`;
        texts.push(text);
        if ((await client.send(to, text)) !== 'delivered') load.absent.push(text);
      }
      return () => texts.filter((text) => !to.heard.has(text));
    });
    for (const { program, host, port } of servers) {
      const before = load.sent;
      while (load.sent < before + 10 * CLIENTS) await new Promise(setImmediate);
      program.signal('SIGTERM');
      expect(await program.exit()).toBe(0);
      await start(host, port);
      await Promise.all(clients.map((client) => client.at(servers.length)));
    }
    load.isOn = false;
    for (const stillMissing of await Promise.all(loads)) {
      // A text that was delivered may still be on its way.
      while (stillMissing().length > 0) await new Promise(setImmediate);
      missing.push(...stillMissing());
    }
    expect(load.absent).toEqual([]);
    expect(missing).toEqual([]);
    expect(load.sent).toBeGreaterThan(20 * CLIENTS);
    for (const { counts } of clients) {
      // After the first one, a session is always there.
      expect(counts.slice(counts.indexOf(1))).not.toContain(0);
      expect(counts).toContain(1);
    }
  }, 120_000);
});
