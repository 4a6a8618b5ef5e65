import { firstValueFrom, retry, take, timer } from 'rxjs';
import type { NetConfig } from '../../../lib/config.js';
import { ConnectError, type Connection, type Net } from '../../../lib/index.js';
import { formatUnl, parseUnl } from '../../../lib/unl.js';
import type { NodeType } from '../../../lib/unl/types.js';
import { failureOf, Lab } from '../../support/nodes.js';
import { coturn, needsCoturn } from '../../support/stun.js';

const BY_TURN = { techniques: ['turn'] } as const;
const USER = { username: 'alice', credential: 'secret' };

describe('a TURN server between two nodes', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** A real one, with more of its command line, and a rendezvous server for signals. */
  async function servers(...options: string[]) {
    const { address } = await lab.server();
    const { port } = await coturn(lab, ['127.0.0.1'], '-a', '-u', 'alice:secret', '-r', 'example.org', '--allow-loopback-peers', ...options); // prettier-ignore
    const turn = [{ url: `turn:127.0.0.1:${port}?transport=tcp`, ...USER }];
    return { rendezvous: [address], turn };
  }

  /** The locator of a net that cannot be dialled, unless it is said to be, as on loopback all can. */
  async function locatorOf({ unl$ }: Net, nodeType: NodeType = 'active'): Promise<string> {
    const unl = parseUnl(await firstValueFrom(unl$));
    return unl.version === 3 ? formatUnl({ ...unl, nodeType }) : '';
  }

  /** Connects two nets by TURN, and has a line go each way. */
  async function meet(here: Net, there: Net, nodeType?: NodeType): Promise<readonly [Connection, Connection]> {
    const [unl] = await Promise.all([locatorOf(there, nodeType), firstValueFrom(here.unl$)]);
    // The server's threads may take the next request before they have taken back what was given back before it.
    const connected$ = here.connect$(unl, BY_TURN).pipe(
      retry({
        delay: (error: unknown) => {
          if (!String(error).includes('(486)')) throw error;
          return timer(20);
        },
      }),
    );
    const [at, from] = await Promise.all([firstValueFrom(connected$), firstValueFrom(there.connections$)]);
    const lines = Promise.all([firstValueFrom(at.lines$), firstValueFrom(from.lines$)]);
    at.send('there');
    from.send('and back');
    expect(await lines).toEqual(['and back', 'there']);
    return [at, from];
  }

  const wayOf = async ({ path$ }: Connection) => {
    const { technique, direct } = await firstValueFrom(path$.pipe(take(1)));
    return { technique, direct };
  };

  for (const [whose, isHere, isThere] of [
    ['the node that connects', true, false],
    ['its peer', false, true],
    ['each of them', true, true],
  ] as const)
    it(`carries their lines both ways where ${whose} has one`, async () => {
      needsCoturn();
      const { rendezvous, turn } = await servers();
      const configOf = (has: boolean): Partial<NetConfig> => ({ rendezvous, ...(has && { turn }) });
      const connections = await meet(lab.net(configOf(isHere)), lab.net(configOf(isThere)));
      for (const connection of connections)
        expect(await wayOf(connection)).toEqual({ technique: 'turn', direct: false });
    });

  it('dials a peer that can be dialled, where no signal reaches it', async () => {
    needsCoturn();
    const { turn } = await servers();
    const [at, from] = await meet(lab.net({ turn }), lab.net(), 'passive');
    expect(await wayOf(at)).toEqual({ technique: 'turn', direct: false });
    // To the peer it is an inbound connection, from the server.
    const { technique, remote } = await firstValueFrom(from.path$);
    expect([technique, remote.address]).toEqual(['direct', '127.0.0.1']);
  });

  it('leaves a peer alone that cannot be dialled, where no signal reaches it', async () => {
    needsCoturn();
    const { turn } = await servers();
    const [here, there] = [lab.net({ turn }), lab.net()];
    const failure = await failureOf(here.connect$(await locatorOf(there), BY_TURN));
    expect(failure).toEqual(jasmine.objectContaining({ message: jasmine.stringMatching(/turn: No signal reached/) }));
  });

  it('gives its endpoint back when a peer that it has dialled closes', async () => {
    needsCoturn();
    const { turn } = await servers('--user-quota', '1');
    const here = lab.net({ turn });
    for (let i = 0; i < 3; i++) {
      const [at] = await meet(here, lab.net(), 'passive');
      const closed = firstValueFrom(at.closed$);
      at.close();
      await closed;
    }
  });

  it('has room for the next when they have closed', async () => {
    needsCoturn();
    const { rendezvous, turn } = await servers('--user-quota', '1');
    const here = lab.net({ rendezvous, turn });
    for (let i = 0; i < 3; i++) {
      const [at] = await meet(here, lab.net({ rendezvous }));
      const closed = firstValueFrom(at.closed$);
      at.close();
      await closed;
    }
  });

  it('is told in the locator, and switched off with all relays', async () => {
    const turn = [{ url: 'turn:127.0.0.1:1', ...USER }];
    const tagsOf = async (config: Partial<NetConfig>) => {
      const unl = parseUnl(await firstValueFrom(lab.net(config).unl$));
      return unl.version === 3 ? unl.extensions.map(({ tag }) => tag) : [];
    };
    expect(await tagsOf({ turn })).toEqual([160]);
    expect(await tagsOf({ turn, relay: false })).toEqual([]);
    expect(await tagsOf({})).toEqual([]);
  });

  it('says why they do not meet', async () => {
    const { address } = await lab.server();
    const rendezvous = [address];
    const [here, there] = [
      lab.net({ rendezvous, turn: [{ url: 'turn:127.0.0.1:1', ...USER }] }),
      lab.net({ rendezvous }),
    ];
    const unl = await firstValueFrom(there.unl$);
    const failure = await failureOf(here.connect$(unl, BY_TURN));
    expect(failure).toBeInstanceOf(ConnectError);
    expect(failure).toEqual(jasmine.objectContaining({ message: jasmine.stringMatching(/turn: .*ECONNREFUSED/) }));
    const none = await failureOf(there.connect$(await firstValueFrom(lab.net({ rendezvous }).unl$), BY_TURN));
    expect(none).toEqual(
      jasmine.objectContaining({ message: jasmine.stringMatching(/Neither this node nor the peer/) }),
    );
  });
});
