import { BehaviorSubject, filter, firstValueFrom, Subscription } from 'rxjs';
import type { Meeting } from '../../lib/dht/meet.js';
import { createIdentity, type Identity } from '../../lib/identity.js';
import { topicOf } from '../../lib/rooms/discovery/topic.js';
import { dhtFinder } from '../../lib/rooms/discovery/dht.js';
import type { DiscoveryStep } from '../../lib/rooms/discovery/steps.js';
import { systemRuntime } from '../../lib/runtime.js';
import { dhtCarrier, type DhtCarrier } from '../../lib/signalling/carriers/dht.js';
import { formatUnl } from '../../lib/unl.js';
import type { UnlV3 } from '../../lib/unl/types.js';
import { dhtServer$, type DhtServer } from '../../servers/index.js';
import { unlOf } from '../support/locators.js';
import { newAddress } from '../support/nodes.js';
import { liar$ } from './liar.js';

const TOPIC = topicOf('chess');

interface Node {
  readonly identity: Identity;
  readonly carrier: DhtCarrier;
  readonly own: UnlV3;
}

describe('Meeting under a topic in the DHT', () => {
  let all = new Subscription();
  afterEach(() => {
    all.unsubscribe();
    all = new Subscription();
  });

  async function server(bootstrap: readonly { host: string; port: number }[] = []) {
    const { local } = await new Promise<DhtServer>((resolve, reject) => {
      const config = { bind: newAddress(), port: 0, bootstrap };
      all.add(dhtServer$(config).subscribe({ next: resolve, error: reject }));
    });
    return { host: local.address, port: local.port };
  }

  /** Some nodes that serve, each at an address of its own. */
  async function servers(count: number) {
    const first = await server();
    return [first, ...(await Promise.all(Array.from({ length: count - 1 }, () => server([first]))))];
  }

  function node(bootstrap: readonly { host: string; port: number }[], isMember = false): Node {
    const [identity, bind] = [createIdentity(), newAddress()];
    const carrier = dhtCarrier({
      identity,
      bind,
      bootstrap,
      ...(isMember && { address: bind }),
      runtime: systemRuntime,
      trace: () => undefined,
    });
    const own = unlOf({ peerId: identity.peerId, endpoints: [{ kind: 'wan', address: bind, port: 4000 }] });
    return { identity, carrier, own };
  }

  /** Has a node meet others, until the spec is over or it leaves. */
  function meeting({ carrier, own }: Node) {
    const meetings = new BehaviorSubject<Meeting>({ listedAt: 0, members: [] });
    const subscription = carrier.meet$(TOPIC, new BehaviorSubject(own)).subscribe(meetings);
    all.add(subscription);
    const until = (isSo: (meeting: Meeting) => boolean) => firstValueFrom(meetings.pipe(filter(isSo)));
    return {
      until,
      leave: () => {
        subscription.unsubscribe();
      },
    };
  }

  it('brings nodes together that know nothing but some nodes of the DHT, and shows where each is seen', async () => {
    const nodes = await servers(4);
    const [alice, bob] = [node(nodes.slice(0, 1)), node(nodes.slice(1, 2))];
    const here = meeting(alice);
    expect((await here.until(({ listedAt }) => listedAt > 0)).listedAt).toBeLessThanOrEqual(4);
    const there = meeting(bob);
    const { members } = await there.until((met) => met.members.some(({ unl }) => unl.peerId === alice.identity.peerId));
    const found = members.find(({ unl }) => unl.peerId === alice.identity.peerId);
    expect(found).toEqual({ unl: alice.own, seenAt: alice.own.endpoints[0]?.address });
    await here.until((met) => met.members.some(({ unl }) => unl.peerId === bob.identity.peerId));
  });

  it('works among members that are all there is of the DHT', async () => {
    const first = await server();
    const nodes = Array.from({ length: 6 }, () => node([first], true));
    const meetings = nodes.map((each) => meeting(each));
    for (const [index, { until }] of meetings.entries()) {
      await until(({ members }) => {
        const met = members.map(({ unl }) => unl.peerId);
        return nodes.every(({ identity }, other) => other === index || met.includes(identity.peerId));
      });
    }
  });

  it('is believed of what most nodes say, though a third of them lies', async () => {
    const nodes = await servers(6);
    for (let count = 0; count < 3; count++) {
      await new Promise<unknown>((resolve, reject) => {
        all.add(liar$(newAddress(), nodes.slice(0, 1)).subscribe({ next: resolve, error: reject }));
      });
    }
    const [alice, bob] = [node(nodes), node(nodes)];
    meeting(alice);
    const steps: DiscoveryStep[] = [];
    const find = dhtFinder({
      meet$: (topic, own$) => bob.carrier.meet$(topic, own$),
      isOnLink: () => false,
      trace: (step) => steps.push(step),
    });
    const unls = await firstValueFrom(
      find(TOPIC, new BehaviorSubject(formatUnl(bob.own))).pipe(filter((each) => each.length > 0)),
    );
    expect(unls).toEqual([alice.own]);
    expect(steps).toEqual([{ type: 'topic', means: 'DHT', state: 'listed' }]);
  });
});
