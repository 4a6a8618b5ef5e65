import { createIdentity, formatUnl, type Identity } from '../../../lib/index.js';
import { memoryStore } from '../../../servers/store/memory.js';
import { unwatched, type Watch } from '../../../servers/watch.js';
import { LineClient } from '../../support/line-client.js';
import { unlOf } from '../../support/locators.js';
import { Lab, newAddress } from '../../support/nodes.js';
import { proveLine } from '../../support/proof.js';

describe('What a store brings that no server has put there', () => {
  const lab = new Lab();
  const clients: LineClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.destroy();
    await lab.close();
  });

  /** A server with a store to which somebody else writes, too, and how often it has dropped what. */
  async function serving() {
    const store = memoryStore({ maxEntries: 100, now: Date.now, random: Math.random });
    const dropped = { notice: 0, entry: 0 };
    const count: Watch['count'] = (name, kind) => {
      if (name !== 'storeStrays') return;
      if (kind === 'notice') dropped.notice++;
      else dropped.entry++;
    };
    const { local } = await lab.server({ store, watch: { ...unwatched, count } });
    const clientAt = async (address?: string) => {
      const client = await LineClient.to(local, address);
      clients.push(client);
      return client;
    };
    return { store, dropped, clientAt };
  }

  async function register(client: LineClient, identity: Identity): Promise<void> {
    const [, nonce = ''] = (await client.ask('HELLO 2')).split(' ');
    expect(await client.ask(proveLine(client, identity, nonce))).toBe('WELCOME');
  }

  const textOf = ({ peerId }: Identity) =>
    formatUnl(unlOf({ peerId, endpoints: [{ kind: 'wan', address: '127.0.0.1', port: 4000 }] }));

  it('reaches no session as a line, and ends none', async () => {
    const { store, dropped, clientAt } = await serving();
    const [alice, bob] = [createIdentity(), createIdentity()];
    const client = await clientAt();
    await register(client, alice);
    const nonce = 'A'.repeat(43);
    const strays = [
      '',
      'WELCOME',
      'REFUSED closing go away',
      'REPLACED',
      'REPLACED 4',
      `REPLACED 5 ${nonce}`,
      `REPLACED 4 ${nonce} `,
      `REPLACED 4 ${nonce.slice(1)}`,
      'MESSAGE ',
      `MESSAGE ${bob.peerId}`,
      `MESSAGE ${bob.peerId} e`,
      `MESSAGE ${bob.peerId} eA`,
      `MESSAGE ${bob.peerId} eA nowhere`,
      `MESSAGE ${bob.peerId}  127.0.0.1`,
      `MESSAGE ${bob.peerId} eA 127.0.0.1 `,
      `MESSAGE ${bob.peerId} eA 127.0.0.1\r\nREFUSED closing`,
      `MESSAGE ${bob.peerId.slice(1)} eA 127.0.0.1`,
      `MESSAGE ${bob.peerId} ${'AAAA'.repeat(10_000)} 127.0.0.1`,
    ];
    for (const stray of strays) await store.publish(`peer:${alice.peerId}`, stray);
    expect(dropped.notice).toBe(strays.length);
    // A session by the other family of addresses was replaced, which is nothing to this one.
    await store.publish(`peer:${alice.peerId}`, `REPLACED 6 ${nonce}`);
    await store.publish(`peer:${alice.peerId}`, `MESSAGE ${bob.peerId} eA 127.0.0.1`);
    expect(await client.heard()).toBe(`MESSAGE ${bob.peerId} eA 127.0.0.1`);
    expect(await client.ask('PING')).toBe('PONG');
    expect(dropped).toEqual({ notice: strays.length, entry: 0 });
  });

  it('is no node in a list', async () => {
    const { store, dropped, clientAt } = await serving();
    const [alice, bob, carol] = [createIdentity(), createIdentity(), createIdentity()];
    const strays = [
      ['junk', 'junk'],
      [`${bob.peerId} 4`, ''],
      [`${bob.peerId} 6`, `${textOf(bob)} nowhere`],
      [`${carol.peerId} 4`, `${textOf(bob)} 127.0.0.1`],
      [`${carol.peerId} 6`, `${textOf(carol)} 127.0.0.1`],
      [carol.peerId, `${textOf(carol)} 127.0.0.1`],
      ['', `${textOf(carol)} 1\r\nREFUSED closing`],
    ];
    for (const [key = '', value = ''] of strays) await store.put('unls', key, value, 60_000);
    const [client, other] = [await clientAt(), await clientAt()];
    await register(client, alice);
    expect(await client.ask('UNLS 1 9')).toBe('LISTED 1');
    await register(other, bob);
    other.say(`ADVERTISE ${textOf(bob)}`);
    expect(await other.ask('PING')).toBe('PONG');
    expect(await client.ask('UNLS 2 9')).toBe(`LISTED 2 ${textOf(bob)}@127.0.0.1`);
    // One of them was overwritten.
    expect(dropped).toEqual({ notice: 0, entry: 2 * strays.length - 1 });
  });

  it('is nothing to nodes of PyP2P either', async () => {
    const { store, dropped, clientAt } = await serving();
    const [node, candidate] = [newAddress(), newAddress()];
    const passives = ['nobody 1', '192.0.2.7', '192.0.2.7 0', '192.0.2.7 4000 1', '192.0.2.7\r\n 1'];
    for (const key of passives) await store.put('passive', key, '1', 60_000);
    const asking = await clientAt(candidate);
    expect(await asking.ask('BOOTSTRAP 9')).toBe('NODES EMPTY');
    expect(dropped.entry).toBe(passives.length);
    for (const [key, value] of [
      [`${node} nowhere`, '{"ports":[5000]}'],
      [`${node} ::z`, '{"ports":[5000]}'],
      [`${node} 192.0.2.7`, 'no JSON'],
      [`${node} 192.0.2.8`, '{"ports":[]}'],
      [`${node} 192.0.2.9`, '{"ports":[0]}'],
      [`${node} 192.0.2.10`, `{"ports":[${'1,'.repeat(64)}1]}`],
    ] as const) {
      await store.put('candidates', key, value, 60_000);
    }
    const listed = await clientAt(node);
    listed.say('SIMULTANEOUS READY 4000 1');
    expect(await listed.ask('SOURCE TCP')).toMatch(/^REMOTE /);
    expect(dropped.entry).toBe(passives.length + 6);
    expect(await asking.ask(`CANDIDATE ${node} TCP 5000`)).toBe('PREDICTION SET');
    expect(await listed.heard()).toBe(`CHALLENGE ${candidate} 5000 TCP`);
    // Of those that wait only the addresses count.
    expect(dropped.entry).toBe(passives.length + 8);
    for (const channel of [`simultaneous:${node}`, `candidate:${node} ${candidate}`]) {
      for (const line of [
        '',
        'PONG',
        'CHALLENGE nowhere 1 TCP',
        'FIGHT 192.0.2.7 1 TCP',
        'REFUSED closing go',
        'A\r\nB',
      ]) {
        await store.publish(channel, line);
      }
    }
    expect([await listed.ask('PING'), await asking.ask('PING')]).toEqual(['PONG', 'PONG']);
    expect(dropped.notice).toBe(12);
  });
});
