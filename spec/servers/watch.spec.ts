import { firstValueFrom, Subject } from 'rxjs';
import { createIdentity } from '../../lib/identity.js';
import { formatRequest } from '../../lib/rendezvous/messages.js';
import type { ServeConfig } from '../../servers/index.js';
import { memoryStore } from '../../servers/store/memory.js';
import type { Store } from '../../servers/store/store.js';
import { unwatched, type GaugeName, type Watch } from '../../servers/watch.js';
import { LineClient } from '../support/line-client.js';
import { call, MailboxCaller } from '../support/mailbox.js';
import { Lab } from '../support/nodes.js';
import { proveLine } from '../support/proof.js';
import { bytesOf, joined, RelayNode, relayRefusalOf } from '../support/relay.js';
import { serveAll } from '../support/servers.js';
import { freePort } from '../support/free-port.js';

/** Writes down all that servers tell. */
class Record implements Watch {
  /** How often each was told, by its words. */
  readonly told = new Map<string, number>();
  readonly gauges = new Map<GaugeName, Set<() => number>>();
  readonly #changed = new Subject<void>();

  readonly count: Watch['count'] = (name, kind, times = 1) => {
    this.#add(`${name} ${kind}`, times);
  };
  readonly refused: Watch['refused'] = (server, reason, site) => {
    this.#add(`${server} refused ${site}: ${reason}`);
  };
  readonly answered: Watch['answered'] = (service, status) => {
    this.#add(`${service} answered ${status}`);
  };
  readonly took: Watch['took'] = (what, ms) => {
    expect(ms).toBeGreaterThanOrEqual(0);
    this.#add(`took ${what}`);
  };
  readonly gauge: Watch['gauge'] = (name, read) => {
    const reads = this.gauges.get(name) ?? new Set();
    this.gauges.set(name, reads.add(read));
    return () => {
      reads.delete(read);
    };
  };

  read(name: GaugeName): number {
    return [...(this.gauges.get(name) ?? [])].reduce((sum, read) => sum + read(), 0);
  }

  /** Waits until something has been told so many times: some is told just after an answer has gone out. */
  async until(words: string, times = 1): Promise<void> {
    while ((this.told.get(words) ?? 0) < times) await firstValueFrom(this.#changed);
    expect(this.told.get(words)).withContext(words).toBe(times);
  }

  #add(words: string, times = 1): void {
    this.told.set(words, (this.told.get(words) ?? 0) + times);
    this.#changed.next();
  }
}

describe('What servers tell of what they do', () => {
  const lab = new Lab();
  const clients: LineClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.destroy();
    await lab.close();
  });

  /** Servers on loopback, who watches them, and what ends them. */
  async function serving(config: ServeConfig = {}) {
    const watch = new Record();
    const { at, stop } = await serveAll(lab, { ...config, watch });
    return { watch, at, stop };
  }

  async function clientOf(at: { address: string; port: number }): Promise<LineClient> {
    const client = await LineClient.to(at);
    clients.push(client);
    return client;
  }

  async function register(client: LineClient, identity = createIdentity()) {
    const [, nonce = ''] = (await client.ask('HELLO 2')).split(' ');
    expect(await client.ask(proveLine(client, identity, nonce))).toMatch(/^WELCOME/);
    return identity;
  }

  it('is sessions of the rendezvous server, messages by what became of them, and refusals', async () => {
    const { watch, at } = await serving();
    const alice = await clientOf(at('rendezvous'));
    const bob = await clientOf(at('rendezvous'));
    await register(alice);
    const { peerId } = await register(bob);
    const message = Buffer.from('hello');
    expect(await alice.ask(formatRequest({ verb: 'SEND', id: 'a', to: peerId, message }))).toBe('SENT a');
    const absent = formatRequest({ verb: 'SEND', id: 'b', to: createIdentity().peerId, message });
    expect(await alice.ask(absent)).toBe('ABSENT b');
    const nobody = await clientOf(at('rendezvous'));
    expect(await nobody.ask(absent)).toMatch(/^REFUSED bad-proof/);
    await watch.until('rendezvousSessions opened', 3);
    await watch.until('rendezvousMessages sent');
    await watch.until('rendezvousMessages absent');
    await watch.until('rendezvousMessages refused');
    await watch.until('rendezvous refused 127.0.0.1: bad-proof');
    await nobody.closed();
    alice.socket.destroy();
    while (watch.read('rendezvousSessions') !== 1) await new Promise(setImmediate);
  });

  it('is how long a store takes that answers later, and what it fails at', async () => {
    const memory = memoryStore({ maxEntries: 10, now: Date.now, random: Math.random });
    const store: Store = {
      ...memory,
      publish: (channel, message) => Promise.resolve(memory.publish(channel, message)),
      sample: () => Promise.reject(new Error('The store is gone')),
    };
    const { watch, at } = await serving({ store });
    const alice = await clientOf(at('rendezvous'));
    // A session tells others with the same key that it took over.
    await register(alice);
    await watch.until('took store publish');
    expect(await alice.ask(formatRequest({ verb: 'UNLS', id: 'a', count: 1 }))).toMatch(/^REFUSED closing/);
    await watch.until('took store sample');
    await watch.until('storeFailures sample');
    expect(watch.told.has('storeFailures publish')).toBeFalse();
  });

  it('is the mailbox: what it keeps, for how long, who comes, and whom it refuses', async () => {
    const { watch, at } = await serving({ mailboxLimits: { messageBytes: 10 } });
    const alice = new MailboxCaller(at('http'));
    const bob = new MailboxCaller(at('http'));
    await alice.put(bob.peerId, 'hello');
    await watch.until('mailboxPuts kept');
    expect([watch.read('mailboxMessages'), watch.read('mailboxBytes') > 5]).toEqual([1, true]);
    expect(watch.read('mailboxOldestMs')).toBeGreaterThanOrEqual(0);
    await alice.put(bob.peerId, 'a message too long');
    await watch.until('mailboxPuts refused');
    await watch.until('mailbox refused 127.0.0.1: too-large');
    const [taken] = await bob.take();
    await watch.until('mailboxTakes messages');
    const waiting = bob.take({ waitMs: 20_000, acknowledge: [taken?.receipt ?? ''] });
    while (watch.read('mailboxPolls') !== 1) await new Promise(setImmediate);
    await watch.until('took mailbox kept');
    await alice.put(bob.peerId, 'there?');
    expect((await waiting).length).toBe(1);
    await watch.until('mailboxPuts awaited');
    await watch.until('took mailbox write', 2);
    await watch.until('mailbox answered 200', 4);
    await watch.until('mailbox answered 413');
    await bob.take({ holding: [], acknowledge: [] });
    expect(watch.read('mailboxPolls')).toBe(0);
  });

  it('is the relay: pairs, bytes, and whom it refuses', async () => {
    const { watch, at } = await serving({ relayLimits: { sessions: 1, bytesPerSession: 10 } });
    const [here, there] = await joined(new RelayNode(at('http')), new RelayNode(at('http')));
    await watch.until('relay answered 101', 2);
    await watch.until('relaySessions joined');
    expect(relayRefusalOf(await new RelayNode(at('http')).ask({}))).toBe('server-full');
    await watch.until('relay refused 127.0.0.1: server-full');
    here.write('0123456789');
    await bytesOf(there, 10);
    expect([watch.read('relaySessions'), watch.read('relayWaiting'), watch.read('relayBytes')]).toEqual([1, 0, 10]);
    here.write('x');
    await watch.until('relaySessions bytes');
  });

  it('is requests by service and status, and callers that were dialled back', async () => {
    const { watch, at } = await serving();
    const { port } = at('rendezvous');
    await call(at('http'), `/reachable?port=${port}`);
    await watch.until('dialBacks reachable');
    await call(at('http'), '/reachable');
    await call(at('http'), '/secret');
    await watch.until('reachability answered 200');
    await watch.until('reachability answered 400');
    await watch.until('none answered 404');
  });

  it('refers to nothing any more once the servers have ended', async () => {
    const dhtPort = await freePort();
    const { watch, stop } = await serving({ dhtPort, dhtAddress: '127.0.0.1' });
    expect(watch.gauges.get('httpConnections')?.size).toBe(2);
    stop();
    expect([...watch.gauges.values()].filter((reads) => reads.size > 0)).toEqual([]);
  });

  it('is nothing by default', () => {
    const read = jasmine.createSpy().and.returnValue(1);
    unwatched.gauge('relayBytes', read)();
    expect(read).not.toHaveBeenCalled();
  });
});
