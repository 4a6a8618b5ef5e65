import { queryObjects } from 'node:v8';
import { filter, firstValueFrom, Subscriber } from 'rxjs';
import { Lab } from '../support/nodes.js';
import { RawPeer } from '../support/raw-peer.js';
import { leftToCi } from '../support/left-to-ci.js';

describe('A node that runs for long', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  it('keeps nothing of attempts that are over', async () => {
    leftToCi();
    const [alice, bob] = [lab.net(), lab.net()];
    const unl = await firstValueFrom(bob.unl$);

    const meet = async (times: number) => {
      for (let count = 0; count < times; count++) {
        const connection = await firstValueFrom(alice.connect$(unl));
        const closed = firstValueFrom(connection.closed$);
        connection.close();
        await closed;
      }
    };

    // What is made once is there then.
    await meet(5);
    const before = queryObjects(Subscriber, { format: 'count' });
    await meet(30);
    expect(queryObjects(Subscriber, { format: 'count' }) - before).toBeLessThan(30);
  });

  it('keeps nothing of connections whose peers have gone without a word', async () => {
    const net = lab.net({ timing: { survivalMs: 100 } });
    await net.start();
    const isEmpty$ = net.status$.pipe(filter(({ slots }) => slots.inbound.used === 0));

    const come = async (times: number) => {
      for (let count = 0; count < times; count++) {
        const lost = firstValueFrom(net.trace$.pipe(filter(({ type }) => type === 'connection-closed')));
        const peer = await RawPeer.greeting(net);
        await firstValueFrom(net.connections$);
        peer.stream.destroy();
        await lost;
      }
      await firstValueFrom(isEmpty$);
    };

    await come(5);
    const before = queryObjects(Subscriber, { format: 'count' });
    await come(20);
    expect(queryObjects(Subscriber, { format: 'count' }) - before).toBeLessThan(20);
  });
});
