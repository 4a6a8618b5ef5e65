import { combineLatest, filter, firstValueFrom, interval, lastValueFrom, map, merge, take, toArray } from 'rxjs';
import { createIdentity, createNet, formatUnl, type Net, type NetConfig } from '../lib/index.js';
import { proveLine } from './support/proof.js';
import { Lab, newAddress } from './support/nodes.js';
import { LineClient } from './support/line-client.js';

describe('A flooding network', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** A node that tries often, so that no spec waits. */
  const node = (rendezvous: string, config: Partial<NetConfig> = {}): Net =>
    lab.net({
      mode: 'p2p',
      rendezvous: [rendezvous],
      ...config,
      timing: { bootstrapMinMs: 20, bootstrapMs: 100, ...config.timing },
    });

  const used = (net: Net) => net.status$.pipe(map(({ slots }) => slots.inbound.used + slots.outbound.used));

  const withPeers = (net: Net, count: number) => firstValueFrom(used(net).pipe(filter((peers) => peers >= count)));

  it('forms by itself, and floods a line to every node exactly once', async () => {
    const { address } = await lab.server();
    const nets = Array.from({ length: 8 }, () => node(address, { slots: { inbound: 3, outbound: 3 } }));
    const heard = nets.map((net) => lab.collect(net.lines$.pipe(map(({ text }) => text))));
    for (const net of nets) {
      lab.use(net.lines$.subscribe(({ connection, text }) => net.broadcast(text, connection)));
      await net.start();
    }
    await firstValueFrom(combineLatest(nets.map(used)).pipe(filter((all) => all.every((peers) => peers >= 2))));
    const copy = firstValueFrom(merge(...nets.map((net) => net.trace$)).pipe(filter(({ type }) => type === 'dropped')));
    const everyone = combineLatest(
      nets.slice(1).map((net) => net.lines$.pipe(filter(({ text }) => text === 'second'))),
    );
    const done = firstValueFrom(everyone);
    nets[0]?.broadcast('first');
    nets[0]?.broadcast('second');
    await done;
    for (const texts of heard.slice(1)) expect(texts).toEqual(['first', 'second']);
    expect(heard[0]).toEqual([]);
    // There are more ways than one, and what came by another is dropped.
    await copy;
    for (const texts of heard.slice(1)) expect(texts).toEqual(['first', 'second']);
  });

  it('does not send again a line that it has just sent or received', async () => {
    const { address } = await lab.server();
    const [alice, bob] = [node(address), node(address)];
    await Promise.all([alice.start(), bob.start()]);
    await Promise.all([withPeers(alice, 1), withPeers(bob, 1)]);
    const heard = firstValueFrom(bob.lines$);
    expect(alice.broadcast('hello')).toBe(1);
    expect(alice.broadcast('hello')).toBe(0);
    await heard;
    expect(bob.broadcast('hello')).toBe(0);
  });

  it('forgets a line after a while', async () => {
    const { address } = await lab.server();
    const timing = { seenMs: 1 };
    const [alice, bob] = [node(address, { timing }), node(address, { timing })];
    const twice = firstValueFrom(bob.lines$.pipe(take(2), toArray()));
    const rounds = lab.use(interval(5).subscribe(() => alice.broadcast('hello')));
    await Promise.all([alice.start(), bob.start()]);
    expect((await twice).map(({ text }) => text)).toEqual(['hello', 'hello']);
    rounds.unsubscribe();
  });

  it('keeps to its slots', async () => {
    const { address } = await lab.server();
    const hub = node(address, { slots: { inbound: 2, outbound: 0 } });
    await hub.start();
    const unl = await firstValueFrom(hub.unl$);
    const connections = await Promise.all(
      Array.from({ length: 4 }, () => firstValueFrom(lab.net({ rendezvous: [address] }).connect$(unl))),
    );
    const refused = merge(...connections.map(({ closed$ }) => closed$)).pipe(take(2), toArray());
    expect((await firstValueFrom(refused)).map(({ code }) => code)).toEqual(['refused', 'refused']);
    const { slots } = await firstValueFrom(hub.status$);
    expect(slots).toEqual({ inbound: { used: 2, most: 2 }, outbound: { used: 0, most: 0 } });
  });

  it('fills a slot again when a connection dies', async () => {
    const { address } = await lab.server();
    // They wait to be dialled.
    const slots = { inbound: 10, outbound: 0 };
    const [first, second] = [node(address, { slots }), node(address, { slots })];
    await first.start();
    const net = node(address, { slots: { inbound: 10, outbound: 1 } });
    const outbound = lab.collect(net.status$.pipe(map((status) => status.slots.outbound.used)));
    await net.start();
    const lost = await firstValueFrom(net.connections$);
    await second.start();
    const next = firstValueFrom(net.connections$.pipe(filter(({ peerId }) => peerId !== lost.peerId)));
    await Promise.all([first.close(), second.start()]);
    expect((await next).peerId).toBe(second.peerId);
    expect(Math.max(...outbound)).toBe(1);
  });

  it('never connects a node to itself, nor twice to the same', async () => {
    const { address } = await lab.server();
    const [alice, bob] = [node(address), node(address)];
    const rounds = firstValueFrom(
      alice.trace$.pipe(
        filter(({ type }) => type === 'bootstrap'),
        take(5),
        toArray(),
      ),
    );
    await Promise.all([alice.start(), bob.start()]);
    await Promise.all([withPeers(alice, 1), withPeers(bob, 1)]);
    await rounds;
    expect(await firstValueFrom(used(alice))).toBe(1);
    expect(await firstValueFrom(used(bob))).toBe(1);
    const [connection] = await firstValueFrom(alice.connections$.pipe(take(1), toArray()));
    expect(connection?.peerId).toBe(bob.peerId);
  });

  it('ignores locators that a server has invented', async () => {
    const { address, local } = await lab.server();
    const liar = createIdentity();
    const client = await LineClient.to(local);
    const [, nonce = ''] = (await client.ask('HELLO 2')).split(' ');
    await client.ask(proveLine(client, liar, nonce));
    const dead = { kind: 'wan' as const, address: newAddress(), port: 9 };
    client.say(
      `ADVERTISE ${formatUnl({
        version: 3,
        peerId: liar.peerId,
        nodeType: 'passive',
        natType: { type: 'open' },
        endpoints: [dead],
        rendezvous: [],
        mailboxes: [],
        dht: [],
        mqtt: [],
        extensions: [],
      })}`,
    );
    await client.ask('PING');
    const [alice, bob] = [node(address), node(address)];
    const failed = firstValueFrom(
      alice.trace$.pipe(filter((step) => step.type === 'attempt' && step.outcome === 'failed')),
    );
    await Promise.all([alice.start(), bob.start()]);
    await failed;
    await withPeers(alice, 1);
    expect((await firstValueFrom(alice.connections$)).peerId).toBe(bob.peerId);
    client.socket.destroy();
  });

  describe('of PyP2P nodes', () => {
    it('is joined with plain lines, by way of BOOTSTRAP and PASSIVE READY', async () => {
      const { address, local } = await lab.server();
      const alice = node(address, { security: 'plain' });
      await alice.start();
      const { local: alicesEnd } = await firstValueFrom(alice.status$);
      // PyP2P looks for nodes as Alice has just been listed.
      const pyp2p = await LineClient.to(local, newAddress());
      let reply = 'NODES EMPTY';
      while (reply === 'NODES EMPTY') reply = await pyp2p.ask('BOOTSTRAP 10');
      expect(reply).toBe(`NODES p:${alicesEnd?.address ?? ''}:${alicesEnd?.port ?? 0}`);
      const bob = node(address, { security: 'plain' });
      const heard = firstValueFrom(bob.lines$);
      await bob.start();
      await withPeers(bob, 1);
      await withPeers(alice, 1);
      alice.broadcast('plainly');
      expect((await heard).text).toBe('plainly');
      pyp2p.socket.destroy();
    });
  });
});

describe('A net that speaks plain lines', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  it('gets the lines of a PyP2P node behind its nonce, and answers with CRLF', async () => {
    const net = lab.net({ security: 'plain' });
    await net.start();
    const { local } = await firstValueFrom(net.status$);
    if (local === undefined) throw new Error('Expected the net to listen');
    const arriving = firstValueFrom(net.connections$);
    const client = await LineClient.to(local);
    client.socket.write(`${'0'.repeat(64)}hello\r\nwor`);
    client.socket.write('ld\r\n');
    const connection = await arriving;
    expect(connection.peerId).toBe(`plain:127.0.0.1:${client.socket.localPort ?? 0}`);
    expect(await firstValueFrom(connection.lines$.pipe(take(2), toArray()))).toEqual(['hello', 'world']);
    const raw = new Promise<string>((resolve) =>
      client.socket.once('data', (data) => {
        resolve(String(data));
      }),
    );
    connection.send('answer');
    expect(await raw).toBe('answer\r\n');
    client.socket.end('last words\r\n');
    expect(await lastValueFrom(connection.lines$.pipe(toArray()))).toEqual(['last words']);
    expect((await lastValueFrom(connection.closed$)).code).toBe('closed');
  });

  it('closes one whose nonce is none', async () => {
    const net = lab.net({ security: 'plain' });
    await net.start();
    const { local } = await firstValueFrom(net.status$);
    if (local === undefined) throw new Error('Expected the net to listen');
    const connections = lab.collect(net.connections$);
    const failed = firstValueFrom(net.trace$.pipe(filter(({ type }) => type === 'inbound-failed')));
    const client = await LineClient.to(local);
    client.say('this is no nonce');
    expect(await failed).toEqual(jasmine.objectContaining({ reason: jasmine.stringContaining('64 hex digits') }));
    await client.closed();
    expect(connections).toEqual([]);
  });

  it('connects to another by a version 2 locator', async () => {
    const [net, peer] = [lab.net({ security: 'plain' }), lab.net({ security: 'plain' })];
    const unl = await firstValueFrom(peer.unl$);
    expect(Buffer.from(unl, 'base64')[0]).toBe(2);
    const arriving = firstValueFrom(peer.connections$);
    const connection = await firstValueFrom(net.connect$(unl));
    const heard = firstValueFrom((await arriving).lines$);
    connection.send('hello');
    expect(await heard).toBe('hello');
    connection.close();
    expect((await lastValueFrom(connection.closed$)).code).toBe('closed');
  });

  it('is not what a net does unless it is told to', async () => {
    const unl = await firstValueFrom(lab.net({ security: 'plain' }).unl$);
    const secure = createNet({ mode: 'direct', portMapping: false });
    await expectAsync(firstValueFrom(secure.connect$(unl))).toBeRejectedWithError(/version 3/);
    await secure.close();
  });
});
