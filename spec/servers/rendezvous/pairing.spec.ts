import { createIdentity, type Identity } from '../../../lib/index.js';
import { encodePairing } from '../../../lib/pairing/messages.js';
import { memoryStore } from '../../../servers/store/memory.js';
import { LineClient } from '../../support/line-client.js';
import { Lab, newAddress } from '../../support/nodes.js';
import { proveLine } from '../../support/proof.js';

const SHARE = encodePairing({ type: 'share', share: Buffer.alloc(32, 1) }).toString('base64url');

describe('A rendezvous server where nodes meet by codes', () => {
  const lab = new Lab();
  const clients: LineClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.destroy();
    await lab.close();
  });

  interface Dialled {
    readonly local: { readonly address: string; readonly port: number };
  }

  /** A client that has proven a key. */
  async function node(
    server: Dialled,
    from = newAddress(),
    identity: Identity = createIdentity(),
  ): Promise<LineClient> {
    const client = await LineClient.to(server.local, from);
    clients.push(client);
    const [, nonce = ''] = (await client.ask('HELLO 2')).split(' ');
    await client.ask(proveLine(client, identity, nonce));
    return client;
  }

  it('passes the messages of a try both ways, two of each side, and names nobody to the other', async () => {
    const server = await lab.server();
    const [inviter, other] = [await node(server), await node(server)];
    expect(await inviter.ask('INVITE 7')).toBe('SLOT 7 600');
    other.say(`PAIR 7 a ${SHARE}`);
    expect(await inviter.heard()).toBe(`TRIED 7 a ${SHARE}`);
    inviter.say(`ANSWER 7 a ${SHARE}`);
    expect(await other.heard()).toBe(`ANSWERED a ${SHARE}`);
    other.say(`PAIR 7 a ${SHARE}`);
    expect(await inviter.heard()).toBe(`TRIED 7 a ${SHARE}`);
    inviter.say(`ANSWER 7 a ${SHARE}`, `ANSWER 7 a ${SHARE}`);
    expect(await other.heard()).toBe(`ANSWERED a ${SHARE}`);
    expect(await other.ask(`PAIR 7 a ${SHARE}`)).toBe('UNPAIRED a too-often');
    expect(await inviter.ask('PING')).toBe('PONG');
    expect(other.unheard).toBe(0);
  });

  it('answers for a try only who has the slot, and only to who has begun it', async () => {
    const server = await lab.server();
    const [inviter, other, third] = [await node(server), await node(server), await node(server)];
    await inviter.ask('INVITE 7');
    other.say(`PAIR 7 a ${SHARE}`);
    await inviter.heard();
    third.say(`ANSWER 7 a ${SHARE}`);
    expect(await third.ask(`PAIR 7 a ${SHARE}`)).toBe('UNPAIRED a too-often');
    inviter.say(`ANSWER 7 never ${SHARE}`, `ANSWER 8 a ${SHARE}`);
    expect(await inviter.ask('PING')).toBe('PONG');
    expect(await other.ask('PING')).toBe('PONG');
  });

  it('gives a slot to one node, until that gives it back, or leaves', async () => {
    const server = await lab.server();
    const [inviter, other] = [await node(server), await node(server)];
    expect(await inviter.ask('INVITE 7')).toBe('SLOT 7 600');
    expect(await other.ask('INVITE 7')).toBe('NOSLOT 7 taken');
    inviter.say('REVOKE 7');
    await inviter.ask('PING');
    expect(await other.ask(`PAIR 7 a ${SHARE}`)).toBe('UNPAIRED a nobody');
    expect(await other.ask('INVITE 7')).toBe('SLOT 7 600');
    other.socket.end();
    await other.closed();
    expect(await inviter.ask('INVITE 7')).toBe('SLOT 7 600');
  });

  it('forgets a slot after its time', async () => {
    const server = await lab.server({ limits: { codeMs: 1 } });
    const [inviter, other] = [await node(server), await node(server)];
    expect(await inviter.ask('INVITE 7')).toBe('SLOT 7 1');
    await other.ask('PING');
    let answer = '';
    for (let tries = 0; tries < 50 && answer !== 'SLOT 7 1'; tries++) answer = await other.ask('INVITE 7');
    expect(answer).toBe('SLOT 7 1');
  });

  it('gives a node the same slot anew, by another session', async () => {
    const server = await lab.server();
    const identity = createIdentity();
    const first = await node(server, undefined, identity);
    await first.ask('INVITE 7');
    const second = await node(server, undefined, identity);
    expect(await second.ask('INVITE 7')).toBe('SLOT 7 600');
    const other = await node(server);
    other.say(`PAIR 7 a ${SHARE}`);
    expect(await second.heard()).toBe(`TRIED 7 a ${SHARE}`);
  });

  it('finds a slot at another server that shares its store', async () => {
    const store = memoryStore({ maxEntries: 99, now: Date.now, random: Math.random });
    const [one, two] = [await lab.server({ store }), await lab.server({ store })];
    const [inviter, other] = [await node(one), await node(two)];
    await inviter.ask('INVITE 7');
    expect(await other.ask('INVITE 7')).toBe('NOSLOT 7 taken');
    other.say(`PAIR 7 a ${SHARE}`);
    expect(await inviter.heard()).toBe(`TRIED 7 a ${SHARE}`);
    inviter.say(`ANSWER 7 a ${SHARE}`);
    expect(await other.heard()).toBe(`ANSWERED a ${SHARE}`);
  });

  it('has so many slots of a session, of a site, and in all, and the newest of the largest site gives way', async () => {
    const server = await lab.server({ limits: { codes: 3, codesPerHost: 3, codesPerSession: 2 } });
    const address = newAddress();
    const [first, second, other] = [await node(server, address), await node(server, address), await node(server)];
    expect(await first.ask('INVITE 1')).toBe('SLOT 1 600');
    expect(await first.ask('INVITE 2')).toBe('SLOT 2 600');
    expect(await first.ask('INVITE 3')).toBe('NOSLOT 3 too-many');
    expect(await second.ask('INVITE 3')).toBe('SLOT 3 600');
    expect(await second.ask('INVITE 4')).toBe('NOSLOT 4 too-many');
    expect(await other.ask('INVITE 5')).toBe('SLOT 5 600');
    expect(await second.heard()).toBe('NOSLOT 3 gave-way');
    expect(await other.ask(`PAIR 3 a ${SHARE}`)).toBe('UNPAIRED a nobody');
    expect(await other.ask('INVITE 6')).toBe('NOSLOT 6 table-full');
  });

  it('passes so many tries at a slot on, and so many of a site', async () => {
    const server = await lab.server({ limits: { triesPerCode: 1, triesPerMinute: 2 } });
    const [inviter, other, third] = [await node(server), await node(server), await node(server)];
    await inviter.ask('INVITE 7');
    other.say(`PAIR 7 a ${SHARE}`);
    expect(await inviter.heard()).toBe(`TRIED 7 a ${SHARE}`);
    expect(await third.ask(`PAIR 7 b ${SHARE}`)).toBe('UNPAIRED b too-often');
    for (let tries = 0; tries < 3; tries++) expect(await third.ask(`PAIR 8 b ${SHARE}`)).toBe('UNPAIRED b nobody');
    expect(await third.ask(`PAIR 8 b ${SHARE}`)).toBe('UNPAIRED b too-often');
  });

  it('asks for a key first', async () => {
    const server = await lab.server();
    const client = await LineClient.to(server.local, newAddress());
    clients.push(client);
    expect(await client.ask('INVITE 7')).toMatch(/^REFUSED bad-proof /);
  });
});
