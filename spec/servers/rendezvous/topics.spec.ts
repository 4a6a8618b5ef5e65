import { createHash } from 'node:crypto';
import { createIdentity, formatUnl, type Identity } from '../../../lib/index.js';
import { memoryStore } from '../../../servers/store/memory.js';
import { unwatched, type Watch } from '../../../servers/watch.js';
import { VirtualClock } from '../../connection/virtual-links.js';
import { LineClient } from '../../support/line-client.js';
import { unlOf } from '../../support/locators.js';
import { Lab, newAddress } from '../../support/nodes.js';
import { proveLine } from '../../support/proof.js';
import { leftToCi } from '../../support/left-to-ci.js';

/** A topic of a name. */
const topicOf = (name: string) => createHash('sha256').update(name).digest('base64url');

const [CHESS, GO] = [topicOf('chess'), topicOf('go')];

describe('Topics at the rendezvous server', () => {
  const lab = new Lab();
  const clients: LineClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.destroy();
    await lab.close();
  });

  interface Member {
    readonly identity: Identity;
    readonly client: LineClient;
    readonly unl: string;
    /** Joins, and returns the answer. */
    readonly join: (topic: string, count?: number) => Promise<string>;
    /** Joins, and returns the peer ids of those that it was told. */
    readonly others: (topic: string, count?: number) => Promise<string[]>;
  }

  const textOf = ({ peerId }: Identity, address = '127.0.0.1') =>
    formatUnl(unlOf({ peerId, endpoints: [{ kind: 'wan', address, port: 4000 }] }));

  async function memberOf(
    server: { readonly local: { readonly address: string; readonly port: number } },
    address?: string,
    identity = createIdentity(),
  ): Promise<Member> {
    const client = await LineClient.to(server.local, address);
    clients.push(client);
    const [, nonce = ''] = (await client.ask('HELLO 2')).split(' ');
    expect(await client.ask(proveLine(client, identity, nonce))).toBe('WELCOME');
    const unl = textOf(identity, address);
    const join = (topic: string, count = 16) => client.ask(`JOIN 1 ${topic} ${count} ${unl}`);
    return {
      identity,
      client,
      unl,
      join,
      others: async (topic, count) => {
        const [verb, id, ...nodes] = (await join(topic, count)).split(' ');
        expect([verb, id]).toEqual(['LISTED', '1']);
        return nodes;
      },
    };
  }

  it('lists those who have joined one, to others who do, while they stay', async () => {
    const server = await lab.server();
    const [alice, bob, carol] = [await memberOf(server), await memberOf(server), await memberOf(server)];
    expect(await alice.others(CHESS)).toEqual([]);
    expect(await bob.others(CHESS)).toEqual([`${alice.unl}@127.0.0.1`]);
    expect(await alice.others(CHESS)).toEqual([`${bob.unl}@127.0.0.1`]);
    expect(await carol.others(GO)).toEqual([]);
    alice.client.say(`LEAVE ${CHESS}`, `LEAVE ${GO}`);
    expect(await bob.others(CHESS)).toEqual([]);
    expect(await carol.others(CHESS)).toEqual([`${bob.unl}@127.0.0.1`]);
    bob.client.say('QUIT');
    await bob.client.closed();
    expect(await carol.others(CHESS)).toEqual([]);
    expect(await alice.client.ask('UNLS 2 9')).toBe('LISTED 2');
  });

  it('lists nobody under a topic by the word of another, and none of the endpoints at which it does not see a node', async () => {
    const server = await lab.server();
    const here = newAddress();
    const [liar, bob] = [await memberOf(server, here), await memberOf(server)];
    liar.client.say(`JOIN 1 ${CHESS} 16 ${bob.unl}`, `JOIN 1 ${CHESS} 16 AAAA`);
    expect(await liar.client.ask('PING')).toBe('PONG');
    expect(await bob.others(CHESS)).toEqual([]);
    const endpoints = [newAddress(), '45.1.1.1', '192.168.1.1', here].flatMap((address) =>
      [4000, 25].map((port) => ({ kind: 'wan' as const, address, port })),
    );
    const { peerId } = liar.identity;
    expect(await liar.client.ask(`JOIN 1 ${CHESS} 16 ${formatUnl(unlOf({ peerId, endpoints }))}`)).toMatch(/^LISTED/);
    expect(await bob.others(CHESS)).toEqual([`${textOf(liar.identity, here)}@${here}`]);
  });

  it('wants a proven key, and a topic of 32 bytes', async () => {
    const server = await lab.server();
    const stranger = await LineClient.to(server.local);
    clients.push(stranger);
    expect(await stranger.ask(`JOIN 1 ${CHESS} 16 AAAA`)).toMatch(/^REFUSED bad-proof /);
    const alice = await memberOf(server);
    for (const topic of [CHESS.slice(1), `${CHESS}A`, `${CHESS.slice(1)}+`])
      alice.client.say(`JOIN 1 ${topic} 1 ${alice.unl}`);
    alice.client.say(
      `JOIN 1 ${CHESS} 0 ${alice.unl}`,
      `JOIN 1 ${CHESS} 17 ${alice.unl}`,
      `JOIN 1 ${CHESS} 1`,
      'LEAVE chess',
    );
    expect(await alice.client.ask('PING')).toBe('PONG');
  });

  it('has one session under sixteen topics at most, however many it names', async () => {
    const server = await lab.server({ limits: { linesPerSecond: 100_000, lineBurst: 100_000 } });
    const [greedy, bob] = [await memberOf(server, newAddress()), await memberOf(server)];
    const topics = Array.from({ length: 10_000 }, (_, index) => topicOf(`room ${index}`));
    const answers: string[] = [];
    for (let first = 0; first < topics.length; first += 100) {
      greedy.client.say(...topics.slice(first, first + 100).map((topic) => `JOIN 1 ${topic} 1 ${greedy.unl}`));
      for (let count = 0; count < 100; count++) answers.push(await greedy.client.heard());
    }
    expect(answers.filter((answer) => answer === 'LISTED 1').length).toBe(16);
    expect(answers.slice(16).every((answer) => answer.startsWith('REFUSED table-full '))).toBeTrue();
    expect(await bob.others(topics[15] ?? '')).toHaveSize(1);
    expect(await bob.others(topics[16] ?? '')).toEqual([]);
    // It may go on with those that it has, and have another in the place of one that it leaves.
    expect(await greedy.join(topics[0] ?? '')).toMatch(/^LISTED 1/);
    greedy.client.say(`LEAVE ${topics[0] ?? ''}`);
    expect(await greedy.join(topics[99] ?? '')).toBe('LISTED 1');
  });

  it('names members of as many sites as there can be, so that a site with many hides nobody', async () => {
    const server = await lab.server();
    const crowded = newAddress();
    const crowd = await Promise.all(Array.from({ length: 60 }, () => memberOf(server, crowded)));
    for (const member of crowd) await member.join(CHESS, 1);
    const few = await Promise.all([1, 2, 3].map(() => memberOf(server, newAddress())));
    for (const member of few) await member.join(CHESS, 1);
    const honest = few.map(({ unl, client }) => `${unl}@${client.socket.localAddress ?? ''}`);
    const told = await (await memberOf(server, newAddress())).others(CHESS);
    expect(new Set(told).size).toBe(16);
    expect(honest.filter((node) => !told.includes(node))).toEqual([]);
    // At random: of the crowd there are others each time.
    const again = await (await memberOf(server, newAddress())).others(CHESS);
    expect(again.toSorted()).not.toEqual(told.toSorted());
  });

  it('counts long answers against the site that asks, and lists it all the same', async () => {
    leftToCi();
    const store = memoryStore({ maxEntries: 1_000, now: () => 0, random: Math.random });
    const server = await lab.server({ store }, { now: () => 0 });
    const endpoints = Array.from({ length: 15 }, (_, index) => ({
      kind: 'lan' as const,
      address: `2001:db8::${index + 1}`,
      port: 4000,
    }));
    for (let count = 0; count < 100; count++) {
      const { peerId } = createIdentity();
      await store.put('topics', `${CHESS} ${peerId} 4`, `${formatUnl(unlOf({ peerId, endpoints }))} 127.0.0.1`, 60_000);
    }
    const site = newAddress();
    let bytes = 0;
    // Each session may cause 200 lines, and the site 400.
    for (let session = 0; session < 4; session++) {
      const member = await memberOf(server, site);
      for (let answer = await member.join(CHESS); answer.startsWith('LISTED '); answer = await member.join(CHESS)) {
        bytes += answer.length;
      }
    }
    expect(bytes).toBeGreaterThan(200 * 1_024);
    expect(bytes).toBeLessThan(420 * 1_024);
    const late = await memberOf(server, site);
    expect(await late.join(CHESS)).toMatch(/^REFUSED too-often /);
    const keys = (await store.list('topics', CHESS)).map(([key]) => key);
    expect(keys).toContain(`${CHESS} ${late.identity.peerId} 4`);
    expect(await (await memberOf(server, newAddress())).others(CHESS)).toHaveSize(16);
  });

  it('shares a full table among sites, and tells a member for which there is no room', async () => {
    const server = await lab.server({ limits: { tableEntries: 8 } });
    const crowded = newAddress();
    const crowd = await Promise.all(Array.from({ length: 8 }, () => memberOf(server, crowded)));
    for (const member of crowd) expect(await member.join(CHESS)).toMatch(/^LISTED/);
    expect(await (await memberOf(server, crowded)).join(GO)).toMatch(/^REFUSED table-full /);
    const honest = await memberOf(server, newAddress());
    expect(await honest.others(GO)).toEqual([]);
    expect(await (await memberOf(server, newAddress())).others(GO)).toHaveSize(1);
  });

  it('forgets a member that has not joined for ten minutes', async () => {
    const clock = new VirtualClock();
    const server = await lab.server({ limits: { idleMs: 3_600_000 } }, { scheduler: clock });
    const [alice, bob] = [await memberOf(server), await memberOf(server)];
    await alice.join(CHESS);
    clock.pass(599_999);
    expect(await bob.others(CHESS)).toHaveSize(1);
    clock.pass(1);
    expect(await bob.others(CHESS)).toEqual([]);
    await alice.join(CHESS);
    expect(await bob.others(CHESS)).toHaveSize(1);
  });

  it('goes on listing a node whose newer session has taken over, under what that one has joined', async () => {
    const server = await lab.server();
    const identity = createIdentity();
    const before = await memberOf(server, undefined, identity);
    await before.join(CHESS);
    await before.join(GO);
    const after = await memberOf(server, undefined, identity);
    await after.join(CHESS);
    await before.client.closed();
    const other = await memberOf(server);
    expect(await other.others(CHESS)).toHaveSize(1);
    // The newer one has not joined that.
    expect(await other.others(GO)).toEqual([]);
  });

  it('passes over what no server can have put into the store', async () => {
    const store = memoryStore({ maxEntries: 100, now: Date.now, random: Math.random });
    let dropped = 0;
    const count: Watch['count'] = (name) => {
      if (name === 'storeStrays') dropped++;
    };
    const server = await lab.server({ store, watch: { ...unwatched, count } });
    const { peerId } = createIdentity();
    const strays = [
      [`${CHESS} ${peerId} 4`, ''],
      [`${CHESS} ${createIdentity().peerId} 4`, `${textOf({ ...createIdentity(), peerId })} 127.0.0.1`],
      [`${CHESS} ${peerId} 6`, `${textOf({ ...createIdentity(), peerId })} 127.0.0.1`],
      [`${CHESS} x`, `${textOf({ ...createIdentity(), peerId })} nowhere`],
      [CHESS, 'text'],
    ] as const;
    for (const [key, value] of strays) await store.put('topics', key, value, 60_000);
    expect(await (await memberOf(server)).others(CHESS)).toEqual([]);
    expect(dropped).toBe(5);
  });
});
