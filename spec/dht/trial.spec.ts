import { Subscription } from 'rxjs';
import { dhtServer$, type DhtServer } from '../../servers/index.js';
import { Swarm } from './swarm.js';
import { addressesFrom, bootstrapOf, Trial, type TrialResult } from './trial.js';
import { leftToCi } from '../support/left-to-ci.js';

// The short form of `npm run dht`: fewer nodes, in this process, that come and go faster. All thirty share one thread with other specs
// beside it: where that stands still for a second, packets are late for all of them. So a few more may be lost than `npm run dht` shows.
describe('A DHT of thirty nodes that come and go', () => {
  async function tried(liars: number, net: number): Promise<TrialResult> {
    const all = new Subscription();
    const server = await new Promise<DhtServer>((resolve, reject) => {
      all.add(dhtServer$({ bind: `127.${net}.255.1`, port: 0 }).subscribe({ next: resolve, error: reject }));
    });
    const trial = new Trial({
      nodes: 30,
      liars,
      // As if a third left in a minute.
      churnEveryMs: 6_000,
      messages: 120,
      messageEveryMs: 50,
      settleMs: 2_000,
      lostAfterMs: 8_000,
      address: addressesFrom(net),
    });
    const swarm = new Swarm(bootstrapOf(server.local), (arrival) => {
      trial.arrived(arrival);
    });
    all.add(() => {
      swarm.close();
    });
    try {
      return await trial.run([swarm]);
    } finally {
      all.unsubscribe();
    }
  }

  it('brings at least 95 % of the messages between those that stay', async () => {
    leftToCi();
    const { sent, arrived } = await tried(0, 81);
    expect(sent).toBeGreaterThan(80);
    expect(arrived / sent).toBeGreaterThanOrEqual(0.95);
  });

  it('brings at least 90 % of them where a fifth of the nodes lies and drops what it gets', async () => {
    leftToCi();
    const { sent, arrived } = await tried(6, 82);
    expect(sent).toBeGreaterThan(80);
    expect(arrived / sent).toBeGreaterThanOrEqual(0.9);
  });
});
