/** What `rxp2p doctor` says where something is wrong beside the network itself: all of it on one internet, each host with a trouble of its own. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { firstValueFrom, toArray } from 'rxjs';
import { needsCoturn } from '../support/stun.js';
import { needsMosquitto } from '../support/mosquitto.js';
import { IDLE_GATEWAY, LYING_GATEWAY, NETWORKS, portal, type Network } from './networks.js';
import { DEFAULT_PATH } from './path.js';
import { addressOf, planCrowd } from './plan.js';
import { fieldsOf, type Fields } from './programs.js';
import { Run } from './run.js';
import { brokerAt, meetingPlaces, RXP2P, startBroker, startServers, startTurn, turnAt } from './servers.js';
import { canRunLab, LAB_LIMIT_MS, needsLab } from './support.js';
import type { Topology } from './topology.js';

const PORTAL = fileURLToPath(new URL('portal.js', import.meta.url));
const NAMES = fileURLToPath(new URL('names.js', import.meta.url));
const PORTAL_PORT = 4_443;
const SILENT_PORT = 8_002;

/** Accepts connections, and says nothing on any. */
const SILENT = `
import socket
server = socket.create_server(("", ${SILENT_PORT}))
print("silent", flush=True)
kept = []
while True: kept.append(server.accept())
`;
import { leftToCi } from '../support/left-to-ci.js';

/** What the clock of a program is ahead, in milliseconds. */
const AHEAD_MS = 600_000;

/** What makes a program's clock wrong. */
const FAST_CLOCK = {
  NODE_OPTIONS: `--import=data:text/javascript,const%20now=Date.now;Date.now=()=>now()+${AHEAD_MS}`,
};

/** The hosts with routers of their own, by what these do. */
const ROUTERS = { guests: portal(PORTAL_PORT), idle: IDLE_GATEWAY, lying: LYING_GATEWAY };
const hostBehind = (name: keyof typeof ROUTERS): string => `b-${Object.keys(ROUTERS).indexOf(name)}`;
const behind = (router: Network['routers'][number]): Network => ({ ...NETWORKS.preserving, routers: [router] });

describe('rxp2p doctor, where something is wrong', () => {
  let run: Run;
  let close: () => void = () => undefined;
  let lent: Promise<void> | undefined;
  let topology: Topology;

  beforeAll(async () => {
    if (!canRunLab()) return;
    run = await Run.open();
    const isOver = new Promise<void>((resolve) => {
      close = resolve;
    });
    topology = await new Promise<Topology>((resolve, reject) => {
      const plan = planCrowd(NETWORKS.preserving, Object.values(ROUTERS).map(behind));
      lent = run.with(plan, DEFAULT_PATH, (built) => {
        resolve(built);
        return isOver;
      });
      lent.catch(reject);
    });
    await startServers(topology, { rxp2p: RXP2P });
  }, LAB_LIMIT_MS);

  afterAll(async () => {
    close();
    await lent;
    if (canRunLab()) await run.close();
  }, LAB_LIMIT_MS);

  const sees = (what: string, work: () => Promise<void>) => {
    it(
      what,
      async () => {
        needsLab();
        await work();
      },
      LAB_LIMIT_MS,
    );
  };

  sees('names a server that is dead, and one that says nothing', async () => {
    const silent = topology.run('s2', ['python3', '-c', SILENT]);
    await silent.line((text) => text === 'silent');
    const servers = ['--rendezvous', 's2.lab:8001', '--rendezvous', `s2.lab:${SILENT_PORT}`];
    const { check, status } = await checked('a', ['--rendezvous', 's1.lab:8000', ...servers]);
    expect(failuresOf(check)).toEqual([
      ['rendezvous', 's2.lab:8001', jasmine.stringContaining('ECONNREFUSED')],
      ['rendezvous', `s2.lab:${SILENT_PORT}`, 'accepted the connection and then said nothing'],
    ]);
    expect(adviceOf(check)).toMatch(/^Messages do not come by s2\.lab:8001 and s2\.lab:8002: peers that have no other/);
    expect([check['verdict'], status]).toEqual(['direct', 0]);
    await silent.kill();
  });

  sees('knows a captive portal by its answers', async () => {
    const host = hostBehind('guests');
    await topology
      .run(`home-${host}`, [process.execPath, PORTAL, String(PORTAL_PORT)])
      .line((text) => text === 'portal');
    const servers = ['--rendezvous', 'wss://s1.lab:8443', '--mailbox', 'http://s2.lab:8080'];
    const { check, status } = await checked(host, [...meetingPlaces(topology, host), ...servers]);
    expect(failuresOf(check).length).toBe(servicesOf(check).length);
    expect(adviceOf(check)).toMatch(/^Something else answers in the place of the servers.*log in/);
    expect([check['verdict'], status]).toEqual(['none', 1]);
  });

  sees('says that names cannot be looked up', async () => {
    leftToCi();
    // Nobody answers there.
    const how = resolvingBy(run, addressOf(topology.plan, 's1', 4));
    const { check, status } = await checked('a', ['--rendezvous', 'rv.example.org:8000'], { how });
    expect(failuresOf(check)).toEqual([
      ['rendezvous', 'rv.example.org:8000', jasmine.stringMatching(/ENOTFOUND|EAI_/)],
    ]);
    expect(adviceOf(check)).toMatch(/^The name of rv\.example\.org:8000 cannot be looked up/);
    expect(status).toBe(1);
  });

  sees('says that what answers is not the server, where names lead elsewhere', async () => {
    leftToCi();
    await topology.run('s2', [process.execPath, PORTAL, '443']).line((text) => text === 'portal');
    const wrong = addressOf(topology.plan, 's2', 4);
    await topology.run('s2', [process.execPath, NAMES, wrong]).line((text) => text === 'names');
    const { check, status } = await checked('a', ['--rendezvous', 'wss://rv.example.org'], {
      how: resolvingBy(run, wrong),
    });
    expect(failuresOf(check).map(([, name]) => name)).toContain('wss://rv.example.org');
    expect(adviceOf(check)).toMatch(/^Something else answers in the place of the servers/);
    expect(status).toBe(1);
  });

  sees('tells that this clock is ten minutes fast', async () => {
    leftToCi();
    // One server may be wrong itself; two of them are not wrong alike.
    const mailboxes = ['--mailbox', 'http://s1.lab:8080', '--mailbox', 'http://s2.lab:8080'];
    const args = [...meetingPlaces(topology, 'a'), ...mailboxes];
    const { check, status } = await checked('a', args, { env: FAST_CLOCK });
    expect(check['clock']).toEqual(jasmine.objectContaining({ isCertain: true }));
    expect(adviceOf(check)).toMatch(/^The clock of this machine is 10 minutes fast, as .* agree: set it/);
    expect([check['verdict'], status]).toEqual(['direct', 0]);
  });

  sees('that a router opens a port that leads nowhere, though it answers by each protocol', async () => {
    leftToCi();
    const host = hostBehind('idle');
    const { check, status } = await checked(host, meetingPlaces(topology, host));
    expect(check['reach']).toContain(jasmine.objectContaining({ isOpenedInVain: true, isBehindAnotherNat: false }));
    expect(JSON.stringify(check['routers']).match(/"state":"answers"/g)?.length).toBe(3);
    expect(check['hairpin']).toBeUndefined();
    expect(adviceOf(check)).toMatch(/^The router says that it has opened a port, but nobody gets in by it/);
    expect([check['verdict'], status]).toEqual(['direct', 0]);
  });

  sees('that a router names an address of its own choice, and is not led astray', async () => {
    leftToCi();
    const host = hostBehind('lying');
    const { check } = await checked(host, meetingPlaces(topology, host));
    expect(JSON.stringify(check['reach'])).not.toMatch(/"endpoint":\{"address":"45\.99\.99\.99"/);
    expect(check['reach']).toContain(
      jasmine.objectContaining({ words: jasmine.stringContaining('45.99.99.99'), isBehindAnotherNat: true }),
    );
  });

  sees('whether relays let it in', async () => {
    leftToCi();
    needsCoturn();
    await startTurn(topology, 's1');
    const server = addressOf(topology.plan, 's1', 4);
    const stranger = ['--turn', `turn:alice:wrong@${server}:3478`, '--relay', 'http://s2.lab:9'];
    const args = [...meetingPlaces(topology, 'a'), ...turnAt('s1.lab'), '--relay', 'http://s2.lab:8080', ...stranger];
    const { check } = await checked('a', args);
    expect(relaysOf(check)).toEqual([
      ['TURN', `turn:${server}:3478`, 'refuses (401): it does not know this user name, or the password is another'],
      ['TURN', 'turn:s1.lab:3478', undefined],
      ['relay', 'http://s2.lab:8080/', undefined],
      ['relay', 'http://s2.lab:9/', jasmine.stringMatching(/^cannot be reached \(ECONNREFUSED/)],
    ]);
    expect(check['hasRelay']).toBeTrue();
  });

  sees('that nobody gets here but by a relay, where a broker alone carries messages, and ends with 3', async () => {
    leftToCi();
    needsMosquitto();
    await startBroker(topology, 's1');
    const { check, status } = await checked('a', [...brokerAt('s1.lab'), '--relay', 'http://s2.lab:8080']);
    expect([check['verdict'], status]).toEqual(['relay', 3]);
    expect(adviceOf(check)).toMatch(/No server has shown this machine’s NAT/);
  });

  /** What the doctor finds in a host, and its exit status. What it says of that in words is the same, see its other specs. */
  async function checked(
    host: string,
    args: readonly string[],
    { how = [], env }: How = {},
  ): Promise<{ readonly check: Fields; readonly status: number | null }> {
    const told = topology.run(host, [...how, process.execPath, RXP2P, 'doctor', ...args, '--json'], env);
    const events = await firstValueFrom(fieldsOf(told.stderr$).pipe(toArray()));
    const { code } = await told.exited;
    return { check: events.at(-1) ?? {}, status: code };
  }
});

/** How else than usually it runs. */
interface How {
  readonly how?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** What a command begins with that looks names up by one server alone. */
function resolvingBy({ directory }: Run, server: string): readonly string[] {
  const file = join(directory, `resolv-${server}`);
  writeFileSync(file, `nameserver ${server}\noptions timeout:1 attempts:2\n`);
  return ['sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"', file];
}

function servicesOf({ services }: Fields): readonly Fields[] {
  return Array.isArray(services) ? services.map((each: object) => ({ ...each })) : [];
}

const rowOf = ({ kind, server, failure }: Fields) => [kind, server, failure];

function failuresOf(check: Fields): readonly (readonly unknown[])[] {
  return servicesOf(check)
    .filter(({ failure }) => failure !== undefined)
    .map(rowOf);
}

function relaysOf(check: Fields): readonly (readonly unknown[])[] {
  return servicesOf(check)
    .filter(({ kind }) => kind === 'relay' || kind === 'TURN')
    .map(rowOf)
    .toSorted((one, other) => (String(one) < String(other) ? -1 : 1));
}

function adviceOf({ advice }: Fields): string {
  return Array.isArray(advice) ? advice.join('\n') : '';
}
