import { firstValueFrom, last, lastValueFrom, toArray } from 'rxjs';
import { checkOf, type Facts } from '../../../lib/net/check/check.js';
import { factsOf } from '../../../lib/net/check/facts.js';
import { checkWords } from '../../../lib/cli/check-words.js';
import { resolveConfig } from '../../../lib/config/resolve.js';
import type { Reach } from '../../../lib/reachability.js';
import type { ServerReport } from '../../../lib/server-report.js';
import { startFakeBroker } from '../../support/fake-broker.js';
import { Lab } from '../../support/nodes.js';

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

/** A node at home: an ordinary NAT, a server, a relay. */
const home: Facts = {
  isSettled: true,
  addresses: ['192.168.1.7'],
  services: [answers],
  sessions: [],
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
    expect(adviceFor({ reach: [open, { ...closed, family: 6 }], canBeDialled: true })).toMatch(
      /^The firewall of the router drops IPv6/,
    );
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
    expect(adviceFor({ nats: [{ ...keepsPorts, confidence: 0.6 }] })).toMatch(/takes two servers to tell/);
    expect(adviceFor({ nats: [{ ...keepsPorts, natType: { type: 'unknown' } }] })).toMatch(/takes two servers to tell/);
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
      },
    ];
    const dead: ServerReport = {
      kind: 'mailbox',
      server: 'http://dead.example/',
      failure: 'cannot be reached\u001b[2J',
    };
    expect(checkWords(checkOf({ ...home, sessions, services: [answers, dead] }))).toEqual([
      'Servers',
      '  ok    rendezvous server rv.example.org:8000 answers, 21 ms, sees this machine at 45.45.1.7',
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
      '',
      'What that means',
      '  Others reach this node directly.',
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
    const factsWhen = (isLate: boolean) => factsOf(config, nothing, { services: [], clock: undefined, isLate });
    expect(factsWhen(false)).toEqual(jasmine.objectContaining({ isSettled: false, services: [] }));
    expect(factsWhen(true).services).toEqual([
      { kind: 'rendezvous', server: '127.0.0.1:8000', failure },
      { kind: 'MQTT', server: 'mqtt://127.0.0.1', failure },
    ]);
  });

  it('does not take its own address for proof that others can dial it', async () => {
    const check = await lastValueFrom(lab.net().check$());
    expect(check).toEqual(jasmine.objectContaining({ isSettled: true, verdict: 'unknown' }));
    // The user knows better.
    expect((await lastValueFrom(lab.net({ forwarded: true }).check$())).verdict).toBe('direct');
  });
});
