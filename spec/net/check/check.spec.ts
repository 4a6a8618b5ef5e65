import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { EMPTY, firstValueFrom, last, lastValueFrom, NEVER, toArray } from 'rxjs';
import type { NetConfig } from '../../../lib/config.js';
import { asked$ } from '../../../lib/net/check/asked.js';
import { checkOf, type Facts } from '../../../lib/net/check/check.js';
import { factsOf } from '../../../lib/net/check/facts.js';
import { silentAmong } from '../../../lib/net/check/silent.js';
import { systemRuntime } from '../../../lib/runtime.js';
import { NOTHING_FOUND } from '../../../lib/self/nothing-found.js';
import { unlOf } from '../../support/locators.js';
import { checkWords } from '../../../lib/cli/check-words.js';
import { resolveConfig } from '../../../lib/config/resolve.js';
import type { Reach } from '../../../lib/reachability.js';
import type { ServerReport } from '../../../lib/server-report.js';
import { startFakeBroker } from '../../support/fake-broker.js';
import { reachabilityServer$ } from '../../../servers/index.js';
import { addressOf, Lab, newAddress } from '../../support/nodes.js';

const answers: ServerReport = { kind: 'rendezvous', server: 'rv.example.org:8000', failure: undefined };
const fails: ServerReport = { ...answers, failure: 'cannot be reached (ENOTFOUND)' };
const keepsPorts: Facts['nats'][number] = {
  family: 4,
  natType: { type: 'preserving' },
  confidence: 1,
  addresses: ['45.45.1.7'],
  servers: 2,
  roundTripMs: 20,
};
const closed: Reach = {
  family: 4,
  isSettled: true,
  isReachable: false,
  endpoint: undefined,
  mapping: undefined,
  isBehindAnotherNat: false,
  isOpenedInVain: false,
  words: 'Others cannot dial this node: no answer. No port was opened: no gateway has answered',
};

const NOTHING = { versions: [], routers: [], hairpin: undefined, lan: undefined };

/** A node at home: an ordinary NAT, a server, a relay. */
const home: Facts = {
  isSettled: true,
  addresses: ['192.168.1.7'],
  services: [answers],
  sessions: [],
  versions: [],
  routers: [],
  hairpin: undefined,
  lan: undefined,
  ipv6: { state: 'none', addresses: [] },
  mapsPorts: true,
  nats: [keepsPorts],
  reach: [closed],
  isForwarded: false,
  hasRelay: true,
  clock: undefined,
  canBeDialled: false,
  isUntried: false,
  hasTurn: false,
  triesMany: true,
};

describe('what a node finds of its network', () => {
  it('is judged by how peers behind an ordinary NAT reach it', () => {
    const random = { ...keepsPorts, natType: { type: 'random' } } as const;
    const verdictOf = (given: Partial<Facts>) => checkOf({ ...home, ...given }).verdict;
    expect(verdictOf({})).toBe('direct');
    expect(verdictOf({ nats: [random] })).toBe('direct');
    expect(verdictOf({ nats: [random], triesMany: false })).toBe('relay');
    const broker: ServerReport = { kind: 'MQTT', server: 'mqtts://broker.example', failure: undefined };
    expect(verdictOf({ services: [broker] })).toBe('relay');
    expect(verdictOf({ services: [broker], hasTurn: true })).toBe('direct');
    expect(verdictOf({ nats: [] })).toBe('relay');
    expect(verdictOf({ nats: [], hasRelay: false })).toBe('none');
    expect(verdictOf({ services: [fails], nats: [] })).toBe('none');
    expect(verdictOf({ services: [fails], canBeDialled: true })).toBe('direct');
    // Peers have IPv4 more often.
    expect(
      verdictOf({
        nats: [
          { ...keepsPorts, family: 6 },
          { ...random, family: 4 },
        ],
        triesMany: false,
      }),
    ).toBe('relay');
  });

  it('is not known where no server has seen or dialled this node', () => {
    const alone: Facts = { ...home, services: [], nats: [], reach: [], hasRelay: false, isUntried: true };
    const check = checkOf(alone);
    expect(check.verdict).toBe('unknown');
    expect(check.advice[0]).toMatch(/^Name a server where peers meet, by --rendezvous/);
    const words = checkWords(check);
    expect(words).toContain(jasmine.stringMatching(/^ {2}Nobody outside has tried to reach this node/));
    expect(words).toContain(jasmine.stringMatching(/^ {2}behind an ordinary home router .*not at all +not known$/));
  });

  it('comes with advice that fits, and with none where nothing is amiss', () => {
    const adviceFor = (given: Partial<Facts>) => checkOf({ ...home, ...given }).advice.join('\n');
    const open: Reach = { ...closed, isReachable: true, endpoint: { address: '45.45.1.7', port: 4000 } };
    expect(adviceFor({ canBeDialled: true, reach: [open] })).toBe('');
    expect(adviceFor({ canBeDialled: true, reach: [], isForwarded: true })).toBe('');
    expect(adviceFor({})).toMatch(/^Switch on UPnP, NAT-PMP or PCP in the router/);
    expect(adviceFor({ reach: [{ ...closed, isOpenedInVain: true, isBehindAnotherNat: true }] })).toMatch(
      /^The port that the router opens leads nowhere/,
    );
    expect(adviceFor({ reach: [{ ...closed, isOpenedInVain: true }] })).toMatch(
      /^The router says that it has opened a port, but nobody gets in by it/,
    );
    expect(adviceFor({ reach: [open], ipv6: { state: 'closed', addresses: [] }, canBeDialled: true })).toMatch(
      /^A firewall, the router’s or this machine’s, drops IPv6/,
    );
    const router = { family: 4, gateway: '192.168.1.1', name: 'Home (AC-7)', protocols: [] } as const;
    const silent = { protocol: 'pcp', state: 'silent', external: undefined, reason: 'no answer' } as const;
    const refusing = { ...silent, protocol: 'upnp', state: 'refuses' } as const;
    expect(adviceFor({ routers: [{ ...router, protocols: [silent] }] })).toMatch(/^Switch on UPnP/);
    expect(adviceFor({ routers: [{ ...router, protocols: [silent, refusing] }] })).toMatch(
      /^The router answers by UPnP, but opens no port: allow this machine to have one there, or forward/,
    );
    expect(adviceFor({ mapsPorts: false })).toMatch(/^Let this node ask the router for a port/);
    expect(adviceFor({ services: [] })).toMatch(/^Name a server where peers meet/);
    expect(adviceFor({ services: [fails] })).toMatch(
      /^The name of rv\.example\.org:8000 cannot be looked up: .*\nNone of the servers that carry messages can be used/,
    );
    expect(adviceFor({ services: [answers, { ...fails, server: 'other:1', failure: 'does not answer' }] })).toMatch(
      /^Messages do not come by other:1: peers that have no other server/,
    );
    const relay: ServerReport = { kind: 'relay', server: 'http://rv/', failure: 'refuses: full' };
    expect(adviceFor({ services: [answers, relay], hasRelay: false })).toMatch(/None of the relays can be used/);
    expect(adviceFor({ nats: [] })).toMatch(/No server has shown this machine’s NAT/);
    expect(adviceFor({ nats: [{ ...keepsPorts, servers: 1, confidence: 0.6 }] })).toMatch(/takes two servers to tell/);
    expect(adviceFor({ nats: [{ ...keepsPorts, servers: 1, natType: { type: 'unknown' } }] })).toMatch(
      /takes two servers to tell/,
    );
    expect(adviceFor({ nats: [{ ...keepsPorts, confidence: 0.6 }] })).toMatch(/does not map ports by one rule/);
    expect(adviceFor({ nats: [{ ...keepsPorts, natType: { type: 'random' } }] })).toMatch(/at a relay only/);
    expect(adviceFor({ hasRelay: false, nats: [] })).toMatch(/Name a relay/);
    const words = 'the clock of this machine is 10 minutes fast';
    expect(adviceFor({ clock: { aheadMs: 600_000, servers: [], isCertain: true, words } })).toMatch(
      /^The clock of this machine is 10 minutes fast: /,
    );
  });

  it('is told in words', () => {
    const sessions = [
      {
        server: { host: 'rv.example.org', port: 8000 },
        roundTripMs: 21.4,
        observed: { address: '45.45.1.7', port: 4000 },
        services: 'http://rv.example.org:8080/',
      },
    ];
    const versions = [{ server: 'http://rv.example.org:8080/', version: '0.2.0' }];
    const dead: ServerReport = {
      kind: 'mailbox',
      server: 'http://dead.example/',
      failure: 'cannot be reached\u001b[2J',
    };
    expect(checkWords(checkOf({ ...home, sessions, versions, services: [answers, dead] }))).toEqual([
      'Servers',
      '  ok    rendezvous server rv.example.org:8000 answers, 21 ms, sees this machine at 45.45.1.7, version 0.2.0',
      '  FAIL  mailbox server http://dead.example/ cannot be reached [2J',
      '',
      'Addresses of this machine',
      '  192.168.1.7',
      '',
      'NAT',
      '  IPv4: a NAT that keeps ports, at 45.45.1.7 (100 % of what 2 addresses of servers saw)',
      '',
      'Can others dial this node?',
      `  IPv4: ${closed.words}`,
      '  IPv6: this node has no public address',
      '',
      'What that means',
      '  Others reach this node directly, by punching: its NAT’s ports can be predicted, or many are tried.',
      '',
      '  a peer …                                    this node reaches it             it reaches this node',
      '  on the open internet, or with an open port  directly                         directly, dialled back',
      '  behind an ordinary home router              directly, punched                directly, punched',
      '  behind a NAT that counts its ports up       directly, punched                directly, punched',
      '  behind a NAT with random ports              directly, punched by many ports  directly, punched by many ports',
      '',
      'What would make it better',
      jasmine.stringMatching(/^ {2}- Messages do not come by http:\/\/dead\.example\/: /),
      jasmine.stringMatching(/^ {2}- Switch on UPnP/),
    ]);
    const nothing = checkWords(checkOf({ ...home, services: [], addresses: [], nats: [], reach: [], hasRelay: false }));
    for (const line of [
      '  none',
      '  none that others could use',
      '  no server has shown it',
      '  that was not looked into',
    ])
      expect(nothing).toContain(line);
    expect(checkWords(checkOf({ ...home, isForwarded: true }))).toContain('  A port is forwarded, as you say');
  });

  it('does not take for granted that a network lets connections out which was left by the ports of the web alone', () => {
    const adviceWith = (...servers: readonly string[]) =>
      checkOf({ ...home, services: servers.map((server) => ({ ...answers, server })) }).advice.join('\n');
    const words = /whether this network lets connections out to other ports, as punches need, is not known/;
    for (const server of [
      'wss://rv.example.org',
      'wss://rv.example.org/path',
      'https://[2001:db8::1]/',
      'rv.example.org:443',
    ])
      expect(adviceWith(server)).toMatch(words);
    for (const server of ['rv.example.org:8000', 'wss://rv.example.org:8443', 'turn:turn.example.org'])
      expect(adviceWith('wss://rv.example.org', server)).not.toMatch(words);
  });

  it('goes by what a server has tried, though the node still takes itself for another', () => {
    const config = resolveConfig({ mode: 'direct', portMapping: false });
    const unl = unlOf({ nodeType: 'passive' });
    const location = { nodeType: 'passive', natType: { type: 'open' }, unl } as const;
    const known = { services: [], clock: undefined, isLate: false };
    const asked = NOTHING;
    const canBeDialled = (reaches: readonly Reach[]) =>
      factsOf(config, { ...NOTHING_FOUND, nats: [], location, reaches }, { ...known, asked }).canBeDialled;
    expect(canBeDialled([closed])).toBeFalse();
    expect(canBeDialled([closed, { ...closed, family: 6, isReachable: true }])).toBeTrue();
  });

  it('waits for a server that has only just become known to dial back', () => {
    const config = resolveConfig({ mode: 'direct', reachability: ['http://rv.example.org:8080/'] });
    const location = { nodeType: 'passive', natType: { type: 'open' }, unl: unlOf() } as const;
    const findings = { ...NOTHING_FOUND, nats: [], location, reaches: [{ ...closed, isReachable: undefined }] };
    const isSettled = (services: readonly ServerReport[]) =>
      factsOf(config, findings, { services, clock: undefined, isLate: false, asked: NOTHING }).isSettled;
    expect(isSettled([])).toBeFalse();
    const failure = 'does not answer';
    expect(isSettled([{ kind: 'reachability', server: 'http://rv.example.org:8080/', failure }])).toBeTrue();
  });

  it('says of a direct way what shows it', () => {
    const verdictOf = (given: Partial<Facts>) =>
      checkWords(checkOf({ ...home, ...given })).find((line) => line.startsWith('  Others '));
    const dialled = { ...closed, isReachable: true };
    expect(verdictOf({ canBeDialled: true, reach: [dialled] })).toMatch(/directly: a server outside has dialled it/);
    expect(verdictOf({ canBeDialled: true, reach: [], isForwarded: true })).toMatch(/if the port .* is forwarded/);
    expect(verdictOf({ canBeDialled: true, reach: [] })).toMatch(/if no firewall is in the way/);
    expect(verdictOf({})).toMatch(/by punching/);
    expect(verdictOf({ nats: [] })).toMatch(/by a relay only/);
  });

  it('has a row for each protocol of the router, for hairpin, IPv6 and the local network', () => {
    const protocols: Facts['routers'][number]['protocols'] = [
      { protocol: 'pcp', state: 'refuses', external: undefined, reason: 'not authorized\u001b[2J' },
      { protocol: 'nat-pmp', state: 'closed', external: undefined, reason: 'ECONNREFUSED' },
      { protocol: 'upnp', state: 'answers', external: '45.45.1.7', reason: undefined },
    ];
    const endpoint = { address: '45.45.1.7', port: 4_000 };
    const lan = {
      interfaces: ['eth0', 'wlan0'],
      heard: ['eth0'],
      hosts: 3,
      nodes: 1,
      failures: ['tun0: no such device'],
    };
    const facts: Facts = {
      ...home,
      routers: [{ family: 4, gateway: '192.168.1.1', name: 'Home (AC-7)', protocols }],
      hairpin: { endpoint, isPossible: false, reason: 'no answer' },
      ipv6: { state: 'unknown', addresses: ['2a45:45::1'] },
      lan,
    };
    const words = checkWords(checkOf(facts));
    for (const line of [
      '  IPv4: Home (AC-7), at 192.168.1.1',
      '    PCP: answers, but refuses: not authorized [2J',
      '    NAT-PMP: cannot be asked: ECONNREFUSED',
      '    UPnP: answers, says that its address outside is 45.45.1.7',
      '  IPv6: no server has tried to dial this node’s public address',
      '  From behind the same router: not at 45.45.1.7:4000 (no hairpin); by this machine’s own addresses',
      '  multicast: this machine hears itself by eth0',
      '  multicast: this machine does not hear itself by wlan0: a firewall drops it',
      '  multicast: tun0: no such device',
      '  other machines: 3 heard, 1 of them with a node that wants to be found',
    ])
      expect(words).toContain(line);
    const again = checkWords(checkOf({ ...facts, hairpin: { endpoint, isPossible: true, reason: undefined } }));
    expect(again).toContain('  From behind the same router: yes, at 45.45.1.7:4000 too (hairpin)');
  });
});

describe('a net that checks its network', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  it('tells what it knows as it comes, and completes when all has been looked into', async () => {
    const [one, other] = [await lab.server(), await lab.server()];
    const net = lab.net({ rendezvous: [one.address, other.address] });
    const checks = await lastValueFrom(net.check$().pipe(toArray()));
    expect(checks.slice(0, -1).every(({ isSettled }) => !isSettled)).toBeTrue();
    const check = checks.at(-1);
    expect(check).toEqual(jasmine.objectContaining({ isSettled: true, verdict: 'direct', clock: undefined }));
    expect(check?.sessions.map(({ server }) => server.port).toSorted()).toEqual(
      [one, other].map(({ local }) => local.port).toSorted(),
    );
    expect(check?.nats.map(({ natType }) => natType)).toEqual([{ type: 'open' }]);
    expect(check?.ways.map(({ toBeReached }) => toBeReached)).toEqual(['dial', 'dial', 'dial', 'dial']);
    // Again, at once.
    expect((await firstValueFrom(net.check$().pipe(last()))).verdict).toBe('direct');
  });

  it('waits for what a broker says', async () => {
    const { url } = await startFakeBroker(lab);
    const { services } = await lastValueFrom(lab.net({ mqtt: [url] }).check$());
    expect(services).toEqual([{ kind: 'MQTT', server: url, failure: undefined }]);
  });

  it('tells in the end of servers that accept and say nothing', () => {
    const config = resolveConfig({ mode: 'direct', rendezvous: ['127.0.0.1:8000'], mqtt: ['mqtt://127.0.0.1'] });
    const nothing = { local: undefined, servers: [], reaches: [], nats: [], location: undefined };
    const failure = 'has not answered yet';
    const factsWhen = (isLate: boolean) =>
      factsOf(config, nothing, { services: [], clock: undefined, asked: NOTHING, isLate });
    expect(factsWhen(false)).toEqual(jasmine.objectContaining({ isSettled: false, services: [] }));
    expect(factsWhen(true).services).toEqual([
      { kind: 'rendezvous', server: '127.0.0.1:8000', failure },
      { kind: 'MQTT', server: 'mqtt://127.0.0.1', failure },
    ]);
  });

  it('waits for no server that a node without keys does not use', () => {
    const servers = { mailbox: ['http://127.0.0.1:8080'], dht: ['127.0.0.1:8001'], mqtt: ['mqtt://127.0.0.1'] };
    const config = resolveConfig({ mode: 'direct', security: 'plain', ...servers });
    expect(silentAmong(config, [])).toEqual([]);
  });

  it('asks a router only where the node may ask it for a port, and has a use for one', () => {
    const isAsked = (options: Pick<NetConfig, 'forwarded' | 'portMapping' | 'reachability'>) => {
      const gateway$ = jasmine.createSpy().and.returnValue(EMPTY);
      const config = resolveConfig({ mode: 'direct', bind: '127.0.0.1', ...options });
      asked$({ config, runtime: { ...systemRuntime, gateway$ }, findings$: NEVER })
        .subscribe()
        .unsubscribe();
      return gateway$.calls.any();
    };
    expect(isAsked({})).toBeTrue();
    expect(isAsked({ forwarded: true })).toBeFalse();
    expect(isAsked({ reachability: false })).toBeFalse();
    expect(isAsked({ portMapping: false })).toBeFalse();
  });

  it('names a server that accepts and says nothing, and waits for it', async () => {
    const silent = createServer().listen(0, newAddress());
    await once(silent, 'listening');
    lab.onClose(() => silent.close());
    const { address, port } = addressOf(silent);
    const net = lab.net({ rendezvous: [`${address}:${port}`], timing: { handshakeMs: 300 } });
    const { isSettled, services, advice } = await lastValueFrom(net.check$());
    expect(isSettled).toBeTrue();
    expect(services).toEqual([
      { kind: 'rendezvous', server: `${address}:${port}`, failure: 'accepted the connection and then said nothing' },
    ]);
    expect(advice).toContain(jasmine.stringMatching(/^None of the servers that carry messages can be used/));
  });

  it('tells the version of a server, from which an older one keeps it back', async () => {
    const services = await lab.open(reachabilityServer$({ bind: newAddress(), port: 0 }));
    const { address, port } = services.local;
    const old = createHttpServer((_, response) => response.end('{}')).listen(0, newAddress());
    await once(old, 'listening');
    lab.onClose(() => old.close());
    const its = addressOf(old);
    const reachability = [`http://${address}:${port}/`, `http://${its.address}:${its.port}/`];
    const { versions } = await lastValueFrom(lab.net({ reachability, portMapping: false }).check$());
    expect(versions).toEqual([
      { server: `http://${address}:${port}/`, version: jasmine.stringMatching(/^\d+\.\d+\.\d+/) },
    ]);
  });

  it('does not take its own address for proof that others can dial it', async () => {
    const check = await lastValueFrom(lab.net().check$());
    expect(check).toEqual(jasmine.objectContaining({ isSettled: true, verdict: 'unknown' }));
    // The user knows better.
    expect((await lastValueFrom(lab.net({ forwarded: true }).check$())).verdict).toBe('direct');
  });
});
