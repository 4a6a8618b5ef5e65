/** What `rxp2p doctor` says where something is wrong beside the network itself. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { firstValueFrom, toArray } from 'rxjs';
import { IDLE_GATEWAY, LYING_GATEWAY, NETWORKS, portal, type Router } from './networks.js';
import { DEFAULT_PATH } from './path.js';
import { addressOf, planNetwork } from './plan.js';
import { fieldsOf, type Fields } from './programs.js';
import { Run } from './run.js';
import { meetingPlaces, RXP2P, startServers, startTurn, turnAt } from './servers.js';
import { canRunLab, LAB_LIMIT_MS, needsLab } from './support.js';
import type { Topology } from './topology.js';

const PORTAL = fileURLToPath(new URL('portal.js', import.meta.url));
const NAMES = fileURLToPath(new URL('names.js', import.meta.url));
const PORTAL_PORT = 4_443;

/** What the clock of a program is ahead, in milliseconds. */
const AHEAD_MS = 600_000;

/** What makes a program's clock wrong. */
const FAST_CLOCK = {
  NODE_OPTIONS: `--import=data:text/javascript,const%20now=Date.now;Date.now=()=>now()+${AHEAD_MS}`,
};

describe('rxp2p doctor, where something is wrong', () => {
  let run: Run;

  beforeAll(async () => {
    if (canRunLab()) run = await Run.open();
  });

  afterAll(async () => {
    if (canRunLab()) await run.close();
  });

  const behind = (what: string, router: Router, work: (topology: Topology) => Promise<void>) => {
    it(
      what,
      async () => {
        needsLab();
        await run.with(planNetwork({ ...NETWORKS.preserving, routers: [router] }), DEFAULT_PATH, work);
      },
      LAB_LIMIT_MS,
    );
  };
  const [home] = NETWORKS.preserving.routers;

  behind('names a server that is dead', home, async (topology) => {
    await topology.run('s1', [process.execPath, RXP2P, 'serve']).line((text) => text.startsWith('http'));
    const { check, words, status } = await checked(topology, meetingPlaces(topology, 'a'));
    expect(failuresOf(check)).toEqual([['rendezvous', 's2.lab:8000', jasmine.stringContaining('ECONNREFUSED')]]);
    expect(words).toContain(
      jasmine.stringMatching(/^ {2}FAIL {2}rendezvous server s2\.lab:8000 cannot be reached \(ECONNREFUSED/),
    );
    expect(adviceOf(check)).toMatch(/^Messages do not come by s2\.lab:8000: peers that have no other/);
    expect([check['verdict'], status]).toEqual(['direct', 0]);
  });

  behind('knows a captive portal by its answers', portal(PORTAL_PORT), async (topology) => {
    await startServers(topology, { rxp2p: RXP2P });
    await topology.run('home-a', [process.execPath, PORTAL, String(PORTAL_PORT)]).line((text) => text === 'portal');
    const servers = ['--rendezvous', 'wss://s1.lab:8443', '--mailbox', 'http://s2.lab:8080'];
    const { check, status } = await checked(topology, [...meetingPlaces(topology, 'a'), ...servers]);
    expect(failuresOf(check).length).toBe(servicesOf(check).length);
    expect(adviceOf(check)).toMatch(/^Something else answers in the place of the servers.*log in/);
    expect([check['verdict'], status]).toEqual(['none', 1]);
  });

  behind('says that names cannot be looked up', home, async (topology) => {
    await startServers(topology, { rxp2p: RXP2P });
    // Nobody answers there.
    const how = resolvingBy(run, addressOf(topology.plan, 's1', 4));
    const { check, status } = await checked(topology, ['--rendezvous', 'rv.example.org:8000'], { how });
    expect(failuresOf(check)).toEqual([
      ['rendezvous', 'rv.example.org:8000', jasmine.stringMatching(/ENOTFOUND|EAI_/)],
    ]);
    expect(adviceOf(check)).toMatch(/^The name of rv\.example\.org:8000 cannot be looked up/);
    expect(status).toBe(1);
  });

  behind('says that what answers is not the server, where names lead elsewhere', home, async (topology) => {
    const [server] = await startServers(topology, { rxp2p: RXP2P });
    await topology.run('s2', [process.execPath, PORTAL, '443']).line((text) => text === 'portal');
    const wrong = addressOf(topology.plan, 's2', 4);
    await topology.run('s1', [process.execPath, NAMES, wrong]).line((text) => text === 'names');
    const how = resolvingBy(run, addressOf(topology.plan, 's1', 4));
    const { check, status } = await checked(topology, ['--rendezvous', 'wss://rv.example.org'], { how });
    expect(failuresOf(check).map(([, name]) => name)).toContain('wss://rv.example.org');
    expect(adviceOf(check)).toMatch(/^Something else answers in the place of the servers/);
    expect(status).toBe(1);
    await server?.kill();
  });

  behind('tells that this clock is ten minutes fast', home, async (topology) => {
    await startServers(topology, { rxp2p: RXP2P });
    // One server may be wrong itself; two of them are not wrong alike.
    const mailboxes = ['--mailbox', 'http://s1.lab:8080', '--mailbox', 'http://s2.lab:8080'];
    const args = [...meetingPlaces(topology, 'a'), ...mailboxes];
    const { check, status } = await checked(topology, args, { env: FAST_CLOCK });
    expect(check['clock']).toEqual(jasmine.objectContaining({ isCertain: true }));
    expect(adviceOf(check)).toMatch(/^The clock of this machine is 10 minutes fast, as .* agree: set it/);
    expect([check['verdict'], status]).toEqual(['direct', 0]);
  });

  behind('sees that a router opens a port that leads nowhere', IDLE_GATEWAY, async (topology) => {
    await startServers(topology, { rxp2p: RXP2P });
    const { check, status } = await checked(topology, meetingPlaces(topology, 'a'));
    expect(check['reach']).toContain(jasmine.objectContaining({ isOpenedInVain: true, isBehindAnotherNat: false }));
    expect(adviceOf(check)).toMatch(/^The router says that it has opened a port, but nobody gets in by it/);
    expect([check['verdict'], status]).toEqual(['direct', 0]);
  });

  behind('is not led astray by a router that names an address of its own choice', LYING_GATEWAY, async (topology) => {
    await startServers(topology, { rxp2p: RXP2P });
    const { check } = await checked(topology, meetingPlaces(topology, 'a'));
    expect(JSON.stringify(check['reach'])).not.toMatch(/"endpoint":\{"address":"45\.99\.99\.99"/);
    expect(check['reach']).toContain(
      jasmine.objectContaining({ words: jasmine.stringContaining('45.99.99.99'), isBehindAnotherNat: true }),
    );
  });

  behind('asks relays whether they let it in', home, async (topology) => {
    await startServers(topology, { rxp2p: RXP2P });
    await startTurn(topology, 's1');
    const stranger = ['--turn', 'turn:alice:wrong@s1.lab:3478'];
    const args = [...meetingPlaces(topology, 'a'), ...turnAt('s1.lab'), '--relay', 'http://s2.lab:8080'];
    const { check } = await checked(topology, args);
    expect(relaysOf(check)).toEqual([
      ['TURN', 'turn:s1.lab:3478', undefined],
      ['relay', 'http://s2.lab:8080/', undefined],
    ]);
    expect(check['hasRelay']).toBeTrue();
    const refused = await checked(topology, [
      ...meetingPlaces(topology, 'a'),
      ...stranger,
      '--relay',
      'http://s2.lab:9',
    ]);
    expect(relaysOf(refused.check)).toEqual([
      ['TURN', 'turn:s1.lab:3478', 'refuses (401): it does not know this user name, or the password is another'],
      ['relay', 'http://s2.lab:9/', jasmine.stringMatching(/^cannot be reached \(ECONNREFUSED/)],
    ]);
    expect(refused.check['hasRelay']).toBeFalse();
    expect(adviceOf(refused.check)).toContain('None of the relays can be used');
  });
});

/** How else than usually it runs. */
interface How {
  readonly how?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** What the doctor finds in host `a`: as JSON, in words, and by its exit status. */
async function checked(
  topology: Topology,
  args: readonly string[],
  { how = [], env }: How = {},
): Promise<{ readonly check: Fields; readonly words: readonly string[]; readonly status: number | null }> {
  const doctor = [...how, process.execPath, RXP2P, 'doctor', ...args];
  const [told, inWords] = [topology.run('a', [...doctor, '--json'], env), topology.run('a', doctor, env)];
  const events = await firstValueFrom(fieldsOf(told.stderr$).pipe(toArray()));
  const lines = await firstValueFrom(inWords.stdout$.pipe(toArray()));
  const [{ code }, other] = [await told.exited, await inWords.exited];
  expect(other.code).toBe(code);
  return { check: events.at(-1) ?? {}, words: lines.map(({ text }) => text), status: code };
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
