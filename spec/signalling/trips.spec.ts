import { filter, firstValueFrom, lastValueFrom, map, NEVER, ReplaySubject, share, Subject } from 'rxjs';
import { DEFAULT_TIMING } from '../../lib/config.js';
import { createIdentity, type Identity } from '../../lib/identity.js';
import { sessions$ } from '../../lib/rendezvous/client.js';
import { OUR_DIALECT } from '../../lib/rendezvous/our-dialect.js';
import { systemRuntime } from '../../lib/runtime.js';
import type { Carrier } from '../../lib/signalling/carrier.js';
import { mailboxCarrier } from '../../lib/signalling/carriers/mailbox.js';
import { rendezvousCarrier } from '../../lib/signalling/carriers/rendezvous.js';
import { mailboxServer$ } from '../../servers/mailbox/server.js';
import { temporaryFolder } from '../support/folder.js';
import { Lab } from '../support/nodes.js';
import { Trips } from '../support/trips.js';

const SIGNAL = Buffer.from('a signal');
const OPTIONS = { keepMs: 60_000 };

/** To the server, and from there to the receiver, or back. */
const THERE_AND_BACK = 2;

describe('A signal between two nodes with sessions', () => {
  const lab = new Lab();
  const path = temporaryFolder();
  let trips = new Trips();
  beforeEach(() => {
    trips = new Trips();
  });
  afterEach(async () => {
    trips.close();
    await lab.close();
  });

  /** The ports of two nodes' proxies to a server that is opened with their names. */
  async function proxies(open: (hosts: readonly string[]) => Promise<number>) {
    let server = 0;
    const [alice, bob] = [await trips.proxyOf('alice', () => server), await trips.proxyOf('bob', () => server)];
    server = await open([alice, bob].map((port) => `127.0.0.1:${port}`));
    return { alice, bob };
  }

  /** A node, and what comes for it. */
  function nodeBy(carrierOf: (identity: Identity) => Carrier) {
    const identity = createIdentity();
    const carrier = carrierOf(identity);
    const come$ = new Subject<Buffer>();
    lab.use(
      carrier.parcel$.subscribe(({ bytes, acknowledge }) => {
        acknowledge();
        come$.next(bytes);
      }),
    );
    const send = (to: Pick<Identity, 'peerId'>) => lastValueFrom(carrier.send$(to.peerId, SIGNAL, OPTIONS));
    return { peerId: identity.peerId, come$, send };
  }

  /** Alice sends Bob a signal; then each has had one, and nothing is under way; then she sends another, which counts. */
  async function measure(alice: ReturnType<typeof nodeBy>, bob: ReturnType<typeof nodeBy>) {
    const pass = async (from: typeof alice, to: typeof bob) => {
      const come = firstValueFrom(to.come$).then(() => trips.to(to === bob ? 'bob' : 'alice'));
      const told = from.send(to).then((delivery) => ({ delivery, after: trips.to(from === alice ? 'alice' : 'bob') }));
      return { come: await come, told: await told };
    };
    await pass(bob, alice);
    await pass(alice, bob);
    trips.reset();
    return pass(alice, bob);
  }

  it('needs one trip to a rendezvous server, and one from there', async () => {
    const ports = await proxies(async (hosts) => (await lab.server({ hosts })).local.port);
    const nodeAt = (port: number) =>
      nodeBy((identity) => {
        const runtime = systemRuntime;
        const config = {
          identity,
          bind: '127.0.0.1',
          dialect: OUR_DIALECT,
          runtime,
          timing: DEFAULT_TIMING,
          network$: NEVER,
        } as const;
        const open$ = sessions$([{ host: '127.0.0.1', port }], config, () => undefined).pipe(
          map((states) => states.flatMap(({ session }) => session ?? [])),
          filter((sessions) => sessions.length > 0),
          share({ connector: () => new ReplaySubject(1), resetOnRefCountZero: true }),
        );
        return rendezvousCarrier({ sessions$: open$, runtime });
      });
    const [alice, bob] = [nodeAt(ports.alice), nodeAt(ports.bob)];
    expect(await measure(alice, bob)).toEqual({
      come: THERE_AND_BACK,
      told: { delivery: 'delivered', after: THERE_AND_BACK },
    });
  });

  it('needs no more by a mailbox that keeps it on a disk first', async () => {
    const dataFolder = path('data');
    const ports = await proxies(async (hosts) => {
      const server$ = mailboxServer$({ bind: '127.0.0.1', port: 0, hosts, dataFolder });
      return (await lab.open(server$)).local.port;
    });
    const nodeAt = (port: number) =>
      nodeBy((identity) =>
        mailboxCarrier({
          identity,
          urls: [new URL(`http://127.0.0.1:${port}/`)],
          localAddress: undefined,
          runtime: systemRuntime,
        }),
      );
    const [alice, bob] = [nodeAt(ports.alice), nodeAt(ports.bob)];
    expect(await measure(alice, bob)).toEqual({
      come: THERE_AND_BACK,
      told: { delivery: 'delivered', after: THERE_AND_BACK },
    });
  });
});
