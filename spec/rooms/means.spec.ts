import { filter, firstValueFrom, map, ReplaySubject, type Observable } from 'rxjs';
import type { Net, NetConfig, Room } from '../../lib/index.js';
import { systemRuntime } from '../../lib/runtime.js';
import { dhtServer$, type DhtServer } from '../../servers/index.js';
import { lanRuntime } from '../support/lan.js';
import { Lab, newAddress } from '../support/nodes.js';

/** Nothing that leaves this machine, or asks anybody but what a spec names. */
const ALONE: Partial<NetConfig> = { rendezvous: [], mailbox: [], portMapping: false, reachability: false };

describe('A room without a rendezvous server', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const room$ = (net: Net, name: string): Observable<Room> => {
    const rooms = new ReplaySubject<Room>(1);
    lab.use(net.join$(name).subscribe(rooms));
    return rooms;
  };

  /** What one says in a room arrives at the other. */
  async function meet(nets: readonly [Net, Net]): Promise<void> {
    const [here, there] = await Promise.all(nets.map((net) => firstValueFrom(room$(net, 'chess'))));
    if (here === undefined || there === undefined) throw new Error('Expected two rooms');
    const heard = firstValueFrom(there.messages$.pipe(map(({ text }) => text)));
    await firstValueFrom(here.neighbours$.pipe(filter((all) => all.length > 0)));
    here.publish('1. e4');
    expect(await heard).toBe('1. e4');
  }

  it('is found by the DHT alone', async () => {
    const server = await lab.open<DhtServer>(dhtServer$({ bind: newAddress(), port: 0 }));
    const dht = [`${server.local.address}:${server.local.port}`];
    const net = () => lab.net({ ...ALONE, dht, lan: false }, systemRuntime);
    await meet([net(), net()]);
  });

  it('is found on the local network alone', async () => {
    const net = () => lab.net({ ...ALONE, lan: true }, lanRuntime);
    await meet([net(), net()]);
  });
});
