import { queryObjects } from 'node:v8';
import { firstValueFrom, Subscriber } from 'rxjs';
import { Lab } from '../support/nodes.js';

describe('A node that runs for long', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  it('keeps nothing of attempts that are over', async () => {
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
});
