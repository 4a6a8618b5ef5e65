import { firstValueFrom, Subject } from 'rxjs';
import { systemRuntime, type Runtime } from '../../../../lib/runtime.js';
import { mailboxServer$, type MailboxServerConfig } from '../../../../servers/mailbox/server.js';
import { temporaryFolder } from '../../../support/folder.js';
import { impatient } from '../../../support/impatient.js';
import { heapUsed } from '../../../support/heap.js';
import { call } from '../../../support/mailbox.js';
import { Lab, newAddress } from '../../../support/nodes.js';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [alice, bob, carol] = ['a', 'b', 'c'].map((digit) => digit.repeat(40));
const secret = 'password of Alice';

describe('PyP2P’s dht_msg.php', () => {
  const lab = new Lab();
  const path = temporaryFolder();
  afterEach(() => lab.close());

  /** A server, and a way to call it as PyP2P's nodes do. */
  async function open(config: MailboxServerConfig = {}, runtime: Runtime = systemRuntime) {
    const listening = new Subject<{ readonly port: number }>();
    const first = firstValueFrom(listening);
    const server = lab.use(
      mailboxServer$({ bind: '127.0.0.1', port: 0, ...config }, runtime).subscribe(({ local }) => {
        listening.next(local);
      }),
    );
    const { port } = await first;
    const ask = async (name: string, query: Readonly<Record<string, string>>, localAddress?: string) => {
      const parameters = new URLSearchParams({ call: name, ...query }).toString();
      return (await call({ host: '127.0.0.1', port, localAddress }, `/pyp2p/dht_msg.php?${parameters}`)).text;
    };
    return {
      server,
      ask,
      as: (id: string | undefined, password = secret) => {
        const who = { node_id: id ?? '', password };
        return (name: string, query: Readonly<Record<string, string>> = {}, from?: string) =>
          ask(name, { ...who, ...query }, from);
      },
    };
  }

  it('registers a node once, with its own password', async () => {
    const { as } = await open();
    expect(await as(alice)('register', { ip: '127.0.0.1', port: '1337' })).toBe('success');
    expect(await as(alice)('register')).toBe('Already registered.success');
    expect(await as(alice, 'another')('register')).toBe('Already registered.success');
    expect(await as(alice, 'another')('last_alive')).toBe('failure');
    expect(await as(alice)('last_alive')).toBe('success');
  });

  it('keeps what it needs of a node that registers, and not its whole request', async () => {
    const { ask } = await open({ limits: { pyp2pNodesPerHost: 1_000, requestBurst: 1_000 } });
    const nodes = 250;
    const register = (node: number) =>
      ask('register', { node_id: node.toString(16).padStart(40, '0'), password: secret, more: 'x'.repeat(12_000) });
    await register(0);
    const before = heapUsed();
    for (let node = 1; node <= nodes; node++) expect(await register(node)).toContain('success');
    expect((heapUsed() - before) / nodes).toBeLessThan(6_000);
  });

  it('brings messages, each once', async () => {
    const { as } = await open();
    const [callAlice, callBob] = [as(alice), as(bob, 'other')];
    await callAlice('register');
    await callBob('register');
    for (const msg of ['a3666f6f', 'A3626172']) {
      expect(await callAlice('put', { dest_node_id: bob ?? '', msg, list_pop: '1' })).toBe('success');
    }
    expect(await callBob('list', { list_pop: '1' })).toBe('["a3666f6f","A3626172"]');
    const waiting = callBob('list');
    expect(await callAlice('put', { dest_node_id: bob ?? '', msg: 'c0' })).toBe('success');
    expect(await waiting).toBe('["c0"]');
  });

  it('waits for messages, but not for ever', async () => {
    const runtime = { ...systemRuntime, scheduler: impatient({ 25_000: 10 }) };
    const { as } = await open({}, runtime);
    await as(alice)('register');
    expect(await as(alice)('list')).toBe('[]');
  });

  it('keeps what is put with list_pop=0 for anybody who asks, and for ever so often', async () => {
    const { as } = await open();
    await as(alice)('register');
    expect(await as(alice)('put', { dest_node_id: carol ?? '', msg: 'c0', list_pop: '0' })).toBe('success');
    expect(await as(carol, 'nobody')('list', { list_pop: '0' })).toBe('["c0"]');
    expect(await as(carol, 'nobody')('list', { list_pop: '0' })).toBe('["c0"]');
    expect(await as(bob)('list', { list_pop: '0' })).toBe('[]');
    // What was put for a node alone is not among it.
    await as(alice)('put', { dest_node_id: bob ?? '', msg: 'c1' });
    expect(await as(bob)('list', { list_pop: '0' })).toBe('[]');
  });

  it('fails for a wrong password, a node that is none, and what is no call', async () => {
    const { as, ask } = await open();
    await as(alice)('register');
    const put = { dest_node_id: bob ?? '', msg: 'c0' };
    for (const name of ['put', 'list', 'last_alive', 'get_mutex', 'find_neighbours', 'erase', '']) {
      for (const password of ['wrong', '', 'x'.repeat(1000)]) {
        expect(await as(alice, password)(name, put))
          .withContext(`${name} ${password}`)
          .toBe('failure');
      }
      expect(await as(bob)(name, put))
        .withContext(name)
        .toBe('failure');
      expect(await ask(name, {}))
        .withContext(name)
        .toBe('failure');
    }
    expect(await as(alice)('erase')).toBe('failure');
    for (const id of ['', 'a'.repeat(39), 'g'.repeat(40)]) expect(await as(id)('register')).toBe('failure');
    for (const query of [{ port: '70000' }, { port: 'x' }, { ip: 'nowhere' }, { network_id: 'x'.repeat(65) }]) {
      expect(await as(bob)('register', query))
        .withContext(JSON.stringify(query))
        .toBe('failure');
    }
    expect(await as(bob, '')('register')).toBe('failure');
    for (const query of [
      {},
      { msg: 'c0' },
      { ...put, msg: 'no hex' },
      { ...put, msg: 'c' },
      { ...put, dest_node_id: 'x' },
    ]) {
      expect(await as(alice)('put', query))
        .withContext(JSON.stringify(query))
        .toBe('failure');
    }
  });

  it('gives the mutex of a network to one node at a time', async () => {
    let now = Date.now();
    const { as } = await open({}, { ...systemRuntime, timeOfDay: () => now });
    for (const id of [alice, bob]) await as(id)('register', { network_id: 'one' });
    await as(carol)('register', { network_id: 'other' });
    expect(await as(alice)('get_mutex')).toBe('1');
    expect(await as(bob)('get_mutex')).toBe('0');
    expect(await as(alice)('get_mutex')).toBe('1');
    expect(await as(carol)('get_mutex')).toBe('1');
    now += 600_000;
    expect(await as(bob)('get_mutex')).toBe('1');
    expect(await as(alice)('get_mutex')).toBe('0');
  });

  it('finds neighbours: those of the same network that are alive, one of them to be tested', async () => {
    let now = Date.now();
    const { as } = await open({}, { ...systemRuntime, timeOfDay: () => now });
    await as(alice)('register');
    await as(bob)('register', { ip: '192.0.2.7', port: '1337' });
    await as(carol)('register', { network_id: 'other' });
    const neighbours = async (id: string | undefined, query = {}): Promise<unknown> =>
      JSON.parse(await as(id)('find_neighbours', query));
    const found = { ip: '192.0.2.7', port: 1337, id: bob };
    expect(await neighbours(alice)).toEqual([{ ...found, can_test: 0 }]);
    await as(alice)('get_mutex');
    expect(await neighbours(alice, { network_id: 'default' })).toEqual([{ ...found, can_test: 1 }]);
    expect(await neighbours(bob)).toEqual([{ ip: '127.0.0.1', port: 1, id: alice, can_test: 0 }]);
    expect(await neighbours(alice, { network_id: 'none' })).toEqual([]);
    now += 599_999;
    await as(alice)('last_alive');
    now += 1;
    expect(await neighbours(alice)).toEqual([]);
    expect(await neighbours(bob)).toHaveSize(1);
  });

  describe('has so many nodes, and so many of each host:', () => {
    const hosts = [newAddress(), newAddress(), newAddress()];
    const idOf = (index: number) => index.toString(16).padStart(40, '0');

    it('a host that has as many registers no more', async () => {
      const { as } = await open({ limits: { pyp2pNodesPerHost: 2 } });
      const answers: string[] = [];
      for (const index of [1, 2, 3]) answers.push(await as(idOf(index))('register', {}, hosts[0]));
      expect(answers).toEqual(['success', 'success', 'failure']);
    });

    it('of hosts that fill the place the newest gives way to a newcomer, for good', async () => {
      const config = { dataFolder: path('data'), limits: { pyp2pNodes: 4 } };
      const before = await open(config);
      const register = (index: number, host: number) => before.as(idOf(index))('register', {}, hosts[host]);
      for (const index of [1, 2, 3]) expect(await register(index, 0)).toBe('success');
      expect(await register(4, 1)).toBe('success');
      expect(await register(5, 0)).toBe('failure');
      expect(await before.as(idOf(3))('get_mutex')).toBe('1');
      expect(await register(6, 2)).toBe('success');
      const alive = async ({ as }: Pick<typeof before, 'as'>) =>
        Promise.all([1, 2, 3, 4, 5, 6].map((index) => as(idOf(index))('last_alive')));
      const expected = ['success', 'success', 'failure', 'success', 'failure', 'success'];
      expect(await alive(before)).toEqual(expected);
      // What it had is free.
      expect(await before.as(idOf(1))('get_mutex')).toBe('1');
      before.server.unsubscribe();
      const after = await open(config);
      expect(await alive(after)).toEqual(expected);
      // In the order of their arrival, as before.
      expect(await after.as(idOf(7))('register', {}, '127.8.8.8')).toBe('success');
      expect((await alive(after)).slice(0, 2)).toEqual(['success', 'failure']);
    });
  });

  it('counts messages as all others, and forgets them in time', async () => {
    let now = Date.now();
    const { as } = await open({ limits: { messagesPerRecipient: 1 } }, { ...systemRuntime, timeOfDay: () => now });
    await as(alice)('register');
    const put = () => as(alice)('put', { dest_node_id: alice ?? '', msg: 'c0', list_pop: '0' });
    expect([await put(), await put()]).toEqual(['success', 'failure']);
    now += 600_000;
    expect(await as(alice)('list', { list_pop: '0' })).toBe('[]');
  });

  it('has its nodes and messages when the server is started again, and no password on the disk', async () => {
    const config = { dataFolder: path('data') };
    const before = await open(config);
    await before.as(alice)('register');
    await before.as(alice)('put', { dest_node_id: alice ?? '', msg: 'c0' });
    before.server.unsubscribe();
    const { as } = await open(config);
    expect(await as(alice, 'wrong')('list')).toBe('failure');
    expect(await as(alice)('list')).toBe('["c0"]');
    const files = readdirSync(path('data')).map((name) => readFileSync(join(path('data'), name), 'latin1'));
    expect(files.join('')).toContain(alice ?? '');
    expect(files.join('')).not.toContain(secret);
  });
});
