import { filter, firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import { createIdentity, type Net, type NetConfig } from '../../lib/index.js';
import type { Neighbour } from '../../lib/lan/lan.js';
import { formatUnl, parseUnl } from '../../lib/unl.js';
import { lanRuntime } from '../support/lan.js';
import { unlOf } from '../support/locators.js';
import { failureOf, Lab, newAddress } from '../support/nodes.js';

describe('A net on the local network', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const net = (config: Partial<NetConfig> = {}) => lab.net({ lan: true, ...config }, lanRuntime);

  async function started(config?: Partial<NetConfig>): Promise<Net> {
    const node = net(config);
    await node.start();
    return node;
  }

  function sees(here: Net, there: Net): Promise<readonly Neighbour[]> {
    return firstValueFrom(here.neighbours$.pipe(filter((all) => all.some(({ peerId }) => peerId === there.peerId))));
  }

  it('finds another, and connects to it by the locator that it finds, with no server', async () => {
    const [alice, bob] = [await started(), await started()];
    const [neighbour] = await sees(alice, bob);
    expect(neighbour?.unl).toBe(await firstValueFrom(bob.unl$));
    const { peerId, path$ } = await firstValueFrom(alice.connect$(neighbour?.unl ?? ''));
    expect([peerId, (await firstValueFrom(path$)).technique]).toEqual([bob.peerId, 'direct']);
  });

  it('reaches a peer whose locator has old addresses', async () => {
    const [alice, bob] = [await started(), await started()];
    const unl = parseUnl(await firstValueFrom(bob.unl$));
    if (unl.version !== 3) throw new Error('Expected version 3');
    for (const endpoints of [[], [{ kind: 'lan', address: newAddress(), port: 4_000 } as const]]) {
      const old = formatUnl({ ...unl, endpoints });
      const connection = await firstValueFrom(alice.connect$(old, { techniques: ['direct'] }));
      expect(connection.peerId).toBe(bob.peerId);
      connection.close();
      await lastValueFrom(connection.closed$);
    }
  });

  it('has the peer dial back, by signals of the local network', async () => {
    const [alice, bob] = [await started(), await started()];
    const unl = await firstValueFrom(bob.unl$);
    const connection = await firstValueFrom(alice.connect$(unl, { techniques: ['reverse-connect'] }));
    const { technique } = await firstValueFrom(connection.path$);
    expect([connection.peerId, technique]).toEqual([bob.peerId, 'reverse-connect']);
  });

  it('is found by nobody, and finds nobody, unless it wants to', async () => {
    const [alice, bob, carol] = [await started(), await started(), await started({ lan: false })];
    await sees(alice, bob);
    expect((await firstValueFrom(alice.neighbours$)).map(({ peerId }) => peerId)).not.toContain(carol.peerId);
    expect(await firstValueFrom(carol.neighbours$)).toEqual([]);
  });

  it('says why a peer cannot be dialled that is not there', async () => {
    const alice = await started();
    const nobody = formatUnl(unlOf({ peerId: createIdentity().peerId, nodeType: 'active' }));
    expect(await failureOf(alice.connect$(nobody, { techniques: ['direct'] }))).toEqual(
      jasmine.objectContaining({
        attempts: [
          jasmine.objectContaining({
            technique: 'direct',
            reason: 'The UNL has no endpoint that can be dialled from here',
          }),
        ],
      }),
    );
  });

  it('says goodbye when it is closed, and its own list is over then', async () => {
    const [alice, bob] = [await started(), await started()];
    await sees(alice, bob);
    const over = lastValueFrom(bob.neighbours$.pipe(toArray()));
    const gone = firstValueFrom(alice.neighbours$.pipe(filter((all) => all.length === 0)));
    await bob.close();
    expect(await gone).toEqual([]);
    expect((await over).length).toBeGreaterThan(0);
    const none = lab.net();
    await none.start();
    const none$ = none.neighbours$.pipe(take(2), toArray());
    const all = lastValueFrom(none$);
    await none.close();
    expect(await all).toEqual([[]]);
  });
});
