import { createIdentity, type Identity } from '../../lib/identity.js';
import { Discovery } from '../../lib/lan/discovery.js';
import { decodeMessage } from '../../lib/lan/dns/decode.js';
import { encodeMessage } from '../../lib/lan/dns/encode.js';
import { TYPE, type DnsMessage, type DnsRecord } from '../../lib/lan/dns/message.js';
import { instanceOf, SERVICE, signStatement } from '../../lib/lan/statement.js';
import type { Source } from '../../lib/link/multicast.js';
import { formatUnl } from '../../lib/unl.js';
import { lanUnlOf } from '../support/lan.js';
import { leftToCi } from '../support/left-to-ci.js';

const PORT = 5353;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const START = 1_764_000_000_000;

/** What was sent, by whom and when. */
interface Sent {
  readonly at: number;
  readonly by: string;
  readonly message: DnsMessage;
  readonly to?: Omit<Source, 'interfaceName'> | undefined;
}

/** Hosts on one network, where time passes when a spec says so. */
class Network {
  now = 0;
  readonly hosts: Host[] = [];
  readonly sent: Sent[] = [];
  /** So many packets are lost next. */
  losing = 0;

  host(identity: Identity = createIdentity()): Host {
    const host = new Host(this, identity, `192.168.1.${this.hosts.length + 1}`);
    this.hosts.push(host);
    return host;
  }

  /** Lets time pass: everything that is due is sent, and comes to all, the sender too. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      for (const host of this.hosts) host.send();
      const times = this.hosts.map(({ discovery }) => discovery.nextAt ?? Infinity);
      const next = Math.max(this.now, Math.min(...times));
      if (next > end) break;
      this.now = next;
    }
    this.now = end;
  }

  /** Has a packet come to all. */
  inject(message: Partial<DnsMessage>, from: Partial<Source> = {}): void {
    for (const host of this.hosts) this.injectTo(host, message, from);
  }

  /** Has a packet come to one host alone. */
  injectTo({ discovery }: Host, message: Partial<DnsMessage>, from: Partial<Source> = {}): void {
    const bytes = encodeMessage({ id: 0, isResponse: true, questions: [], answers: [], additionals: [], ...message });
    discovery.receive(bytes, { address: '192.168.1.99', port: PORT, link: 'eth0', interfaceName: 'eth0', ...from });
  }

  sentBy({ address }: Host, isResponse: boolean): Sent[] {
    return this.sent.filter(({ by, message }) => by === address && message.isResponse === isResponse);
  }
}

class Host {
  readonly discovery: Discovery;

  constructor(
    readonly network: Network,
    readonly identity: Identity,
    readonly address: string,
  ) {
    this.discovery = new Discovery({
      peerId: identity.peerId,
      port: PORT,
      now: () => network.now,
      timeOfDay: () => START + network.now,
      random: () => 0.5,
    });
  }

  get names(): string[] {
    return this.discovery.neighbours.map(({ claim }) => claim.peerId);
  }

  /** The signed strings, as of now or of another time. */
  texts(time = START + this.network.now, address = this.address): Buffer[] {
    return signStatement(this.identity, { time, port: 40_000, unl: formatUnl(lanUnlOf(this.identity, address)) });
  }

  come(texts = this.texts()): this {
    this.discovery.begin();
    this.discovery.announce({ texts, endpoints: [{ address: this.address, port: 4_000 }] });
    return this;
  }

  send(): void {
    for (const { bytes, to } of this.discovery.take()) {
      const message = decodeMessage(bytes);
      if (message === undefined) throw new Error('Expected a message');
      this.network.sent.push({ at: this.network.now, by: this.address, message, to });
      if (to !== undefined || this.network.losing-- > 0) continue;
      const from = { address: this.address, port: PORT, link: 'eth0', interfaceName: 'eth0' };
      for (const { discovery } of this.network.hosts) discovery.receive(bytes, from);
    }
  }
}

function txtOf({ peerId }: Identity, texts: readonly Buffer[], ttl = 120): DnsRecord {
  return { name: instanceOf(peerId) ?? '', ttl, type: 'TXT', texts };
}

const BROWSE = [{ name: SERVICE, type: TYPE.PTR }];

describe('Discovery on the local network', () => {
  let network: Network;
  beforeEach(() => {
    network = new Network();
  });

  it('has nodes find each other at once, whoever comes first', () => {
    const alice = network.host().come();
    network.pass(10 * SECOND_MS);
    expect(alice.names).toEqual([]);
    const bob = network.host().come();
    network.pass(SECOND_MS / 4);
    expect([alice.names, bob.names]).toEqual([[bob.identity.peerId], [alice.identity.peerId]]);
    expect(bob.discovery.neighbour(alice.identity.peerId)?.claim.port).toBe(40_000);
  });

  it('has a node found that only answers, by one that only asks', () => {
    const bob = network.host();
    bob.discovery.announce({ texts: bob.texts(), endpoints: [] });
    network.pass(MINUTE_MS);
    const alice = network.host();
    alice.discovery.seek(bob.identity.peerId);
    network.pass(SECOND_MS / 4);
    expect(alice.names).toEqual([bob.identity.peerId]);
    expect(network.sentBy(alice, false).map(({ message }) => message.questions)).toEqual([
      [{ name: instanceOf(bob.identity.peerId) ?? '', type: TYPE.TXT }],
    ]);
  });

  it('announces twice, and names service, host, port and addresses as DNS-SD has them', () => {
    const alice = network.host().come();
    network.pass(MINUTE_MS);
    const said = network.sentBy(alice, true);
    expect(said.map(({ at }) => at)).toEqual([0, SECOND_MS]);
    const { nodeId } = alice.identity;
    expect(said[0]?.message.answers).toEqual([
      { name: SERVICE, ttl: 120, type: 'PTR', target: `${nodeId}.${SERVICE}` },
      txtOf(alice.identity, alice.texts(START)),
      { name: `${nodeId}.${SERVICE}`, ttl: 120, type: 'SRV', port: 4_000, target: `${nodeId}.local` },
      { name: `${nodeId}.local`, ttl: 120, type: 'A', address: alice.address },
    ]);
  });

  it('asks less and less often, says what it knows, and gets no answer from those', () => {
    const [alice, bob] = [network.host().come(), network.host().come()];
    network.pass(10 * MINUTE_MS);
    const asked = network.sent.filter(({ message }) => !message.isResponse);
    expect(asked.filter(({ at }) => at < 20 * SECOND_MS).length).toBeLessThanOrEqual(8);
    // As a rule one of the two asks for both, each half minute.
    expect(asked.filter(({ at }) => at >= 5 * MINUTE_MS).length).toBeLessThanOrEqual(14);
    // Each answers when half of its time is over.
    const answers = network.sentBy(alice, true).filter(({ at }) => at >= 5 * MINUTE_MS);
    expect(answers.length).toBeLessThanOrEqual(6);
    expect([alice.names, bob.names]).toEqual([[bob.identity.peerId], [alice.identity.peerId]]);
  });

  it('forgets a node three seconds after its goodbye', () => {
    const [alice, bob] = [network.host().come(), network.host().come()];
    network.pass(10 * SECOND_MS);
    bob.discovery.announce(undefined);
    bob.discovery.end();
    network.pass(3 * SECOND_MS - 1);
    expect(alice.names).toEqual([bob.identity.peerId]);
    network.pass(1);
    expect(alice.names).toEqual([]);
    expect(
      network
        .sentBy(bob, true)
        .at(-1)
        ?.message.answers.map(({ ttl }) => ttl),
    ).toEqual([0, 0, 0, 0]);
    network.pass(MINUTE_MS);
    expect(alice.names).toEqual([]);
  });

  it('forgets a node that is gone without a word, after two minutes', () => {
    const [alice] = [network.host().come(), network.host().come()];
    network.pass(10 * SECOND_MS);
    network.hosts.pop();
    network.pass(2 * MINUTE_MS - 11 * SECOND_MS);
    expect(alice.names.length).toBe(1);
    network.pass(MINUTE_MS);
    expect(alice.names).toEqual([]);
  });

  it('forgets a node that does not answer where it is said to be, unless it is heard again', () => {
    const [alice, bob] = [network.host().come(), network.host().come()];
    network.pass(10 * SECOND_MS);
    alice.discovery.doubt(bob.identity.peerId);
    network.pass(10 * SECOND_MS);
    expect(alice.names).toEqual([bob.identity.peerId]);
    network.hosts.pop();
    alice.discovery.doubt(bob.identity.peerId);
    network.pass(10 * SECOND_MS);
    expect(alice.names).toEqual([]);
  });

  it('contradicts somebody who says goodbye in the place of a node', () => {
    const [alice, bob] = [network.host().come(), network.host().come()];
    network.pass(10 * SECOND_MS);
    network.inject({ answers: [txtOf(bob.identity, bob.texts(START), 0)] });
    network.pass(10 * SECOND_MS);
    expect(alice.names).toEqual([bob.identity.peerId]);
  });

  /** For so many seconds one host sees the other at any time. */
  function seesFor(seconds: number, host: Host, other: Host): void {
    for (let passed = 0; passed < seconds * SECOND_MS; passed += 50) {
      network.pass(50);
      expect(host.names).toEqual([other.identity.peerId]);
    }
  }

  it('goes on seeing a node of which somebody repeats what it says, for a shorter time', () => {
    const [alice, bob] = [network.host().come(), network.host().come()];
    network.pass(10 * SECOND_MS);
    for (const ttl of [0, 1, 2, 1, 0]) {
      // Right after it has said so itself, so that it says nothing more for a second.
      const said = network.sentBy(bob, true).length;
      network.inject({ answers: [txtOf(bob.identity, bob.texts(START), ttl)] });
      while (network.sentBy(bob, true).length === said) network.pass(1);
      network.inject({ answers: [txtOf(bob.identity, bob.texts(START), ttl)] });
      network.losing = 1;
      seesFor(5, alice, bob);
    }
  });

  it('asks for a node of which only it hears such a copy', () => {
    const [alice, bob] = [network.host().come(), network.host().come()];
    network.pass(10 * SECOND_MS);
    for (const ttl of [1, 0]) {
      network.injectTo(alice, { answers: [txtOf(bob.identity, bob.texts(START), ttl)] });
      seesFor(10, alice, bob);
    }
  });

  it('forgets nobody while somebody asks this node alone, again and again', () => {
    const [alice, bob] = [network.host().come(), network.host()];
    bob.discovery.announce({ texts: bob.texts(), endpoints: [] });
    network.pass(MINUTE_MS);
    // Each time right before it would ask itself.
    for (let count = 0; count < 60; count++) {
      network.injectTo(alice, { isResponse: false, questions: BROWSE });
      network.pass(29 * SECOND_MS);
      expect(alice.names).toEqual([bob.identity.peerId]);
    }
  });

  it('remembers by which interfaces a node was heard, and says when there is one more', () => {
    const [alice, bob] = [network.host(), network.host()];
    const by = () => [...(alice.discovery.neighbour(bob.identity.peerId)?.by ?? [])];
    const heardBy = (interfaceName: string, texts: readonly Buffer[]) => {
      network.inject({ answers: [txtOf(bob.identity, texts)] }, { interfaceName });
    };
    const [first, second] = [bob.texts(START), bob.texts(START + 1)];
    heardBy('eth0', first);
    expect(by()).toEqual(['eth0']);
    const before = alice.discovery.changes;
    heardBy('eth0', first);
    expect(alice.discovery.changes).toBe(before);
    heardBy('wlan0', first);
    expect(by()).toEqual(['eth0', 'wlan0']);
    expect(alice.discovery.changes).not.toBe(before);
    // What is new was heard by this one alone.
    heardBy('wlan0', second);
    expect(by()).toEqual(['wlan0']);
  });

  it('takes a later statement of a node, and no earlier one', () => {
    const [alice, bob] = [network.host().come(), network.host().come()];
    network.pass(10 * SECOND_MS);
    const old = bob.texts(START - 1, '192.168.1.66');
    network.inject({ answers: [txtOf(bob.identity, old)] });
    network.pass(SECOND_MS);
    const addressOf = () => alice.discovery.neighbour(bob.identity.peerId)?.claim.locator.endpoints[0]?.address;
    expect(addressOf()).toBe(bob.address);
    bob.come(bob.texts(undefined, '192.168.1.67'));
    network.pass(SECOND_MS);
    expect(addressOf()).toBe('192.168.1.67');
    // What is not true any more is taken back for those who do not know which is later.
    const [withdrawn] = network
      .sentBy(bob, true)
      .flatMap(({ message }) => message.answers.filter(({ ttl }) => ttl === 0));
    expect(withdrawn).toEqual(txtOf(bob.identity, bob.texts(START), 0));
  });

  it('ignores what a node has not signed itself, and what comes by another name', () => {
    const [alice, bob, eve] = [network.host().come(), network.host(), network.host()];
    network.pass(10 * SECOND_MS);
    const unl = formatUnl(lanUnlOf(bob.identity, eve.address));
    const forged = signStatement({ ...eve.identity, peerId: bob.identity.peerId }, { time: START, port: 40_000, unl });
    network.inject({ answers: [txtOf(bob.identity, forged), txtOf(eve.identity, bob.texts())] });
    network.pass(SECOND_MS);
    expect(alice.names).toEqual([]);
    network.inject({ additionals: [txtOf(bob.identity, bob.texts())] });
    expect(alice.names).toEqual([bob.identity.peerId]);
  });

  it('hears a node while a few hosts say as much as all may together', () => {
    leftToCi();
    const [alice, bob] = [network.host(), network.host()];
    const eves = Array.from({ length: 12 }, () => createIdentity());
    for (let second = 0; second < 20; second++) {
      network.now += SECOND_MS;
      for (let count = 0; count < 100; count++)
        for (const [host, eve] of eves.entries()) {
          // Each is a new one, whose signature has to be checked.
          const unl = formatUnl(lanUnlOf(eve, bob.address));
          const time = START + second * 100 + count;
          const texts = signStatement({ ...eve, sign: () => Buffer.alloc(64) }, { time, port: 40_000, unl });
          network.injectTo(alice, { answers: [txtOf(eve, texts)] }, { address: `192.168.1.${100 + host}` });
        }
    }
    network.injectTo(alice, { answers: [txtOf(bob.identity, bob.texts())] }, { address: bob.address });
    expect(alice.names).toEqual([bob.identity.peerId]);
  });

  it('ignores answers that are not sent by a responder', () => {
    const [alice, bob] = [network.host().come(), network.host()];
    network.inject({ answers: [txtOf(bob.identity, bob.texts())] }, { port: 5_354 });
    expect(alice.names).toEqual([]);
  });

  it('says nothing more than once a second, whatever it is asked', () => {
    const alice = network.host().come();
    network.pass(10 * SECOND_MS);
    const before = network.sent.length;
    for (let at = 0; at < 5_000; at += 10) {
      network.inject({ isResponse: false, questions: BROWSE }, { address: `192.168.1.${100 + (at % 50)}` });
      network.inject({ answers: [txtOf(alice.identity, alice.texts(START), 0)] });
      network.pass(10);
    }
    expect(network.sent.slice(before).length).toBeLessThanOrEqual(6);
  });

  it('says nothing to who knows it', () => {
    const alice = network.host().come();
    network.pass(10 * SECOND_MS);
    const before = network.sentBy(alice, true).length;
    const target = instanceOf(alice.identity.peerId) ?? '';
    const known = (ttl: number): DnsRecord => ({ name: SERVICE, ttl, type: 'PTR', target });
    network.inject({ isResponse: false, questions: BROWSE, answers: [known(60)] });
    network.inject({
      isResponse: false,
      questions: [{ name: target, type: TYPE.TXT }],
      answers: [txtOf(alice.identity, alice.texts(START), 60)],
    });
    network.inject({ isResponse: false, questions: [{ name: '_http._tcp.local', type: TYPE.PTR }] });
    network.pass(SECOND_MS);
    expect(network.sentBy(alice, true).length).toBe(before);
    network.inject({ isResponse: false, questions: BROWSE, answers: [known(59)] });
    network.pass(SECOND_MS);
    expect(network.sentBy(alice, true).length).toBe(before + 1);
  });

  it('asks all the same when somebody asks it alone, again and again', () => {
    const alice = network.host().come();
    network.pass(MINUTE_MS);
    const before = network.sentBy(alice, false).length;
    for (let count = 0; count < 40; count++) {
      network.inject({ isResponse: false, questions: BROWSE });
      network.pass(5 * SECOND_MS);
    }
    expect(network.sentBy(alice, false).length - before).toBeGreaterThanOrEqual(4);
  });

  it('answers who asks which services there are', () => {
    const alice = network.host().come();
    network.pass(10 * SECOND_MS);
    const name = '_services._dns-sd._udp.local';
    network.inject({ isResponse: false, questions: [{ name, type: TYPE.PTR }] });
    network.pass(SECOND_MS);
    expect(network.sentBy(alice, true).at(-1)?.message.answers).toContain({
      name,
      ttl: 120,
      type: 'PTR',
      target: SERVICE,
    });
  });

  it('answers an ordinary resolver alone, a few times', () => {
    const alice = network.host().come();
    network.pass(10 * SECOND_MS);
    const before = network.sentBy(alice, true).length;
    for (let i = 0; i < 20; i++) network.inject({ id: 77, isResponse: false, questions: BROWSE }, { port: 50_000 });
    network.pass(0);
    const answers = network.sentBy(alice, true).slice(before);
    expect(answers.length).toBe(5);
    expect(answers[0]?.to).toEqual(jasmine.objectContaining({ address: '192.168.1.99', port: 50_000, link: 'eth0' }));
    expect(answers[0]?.message).toEqual(jasmine.objectContaining({ id: 77, questions: BROWSE }));
    expect(answers[0]?.message.answers.every(({ ttl }) => ttl === 10)).toBeTrue();
  });

  it('of a host with very many nodes remembers some, and those of other hosts', () => {
    const [alice, bob] = [network.host().come(), network.host()];
    network.pass(SECOND_MS);
    for (let count = 0; count < 300; count++) {
      const eve = createIdentity();
      const texts = signStatement(eve, { time: START, port: 40_000, unl: formatUnl(lanUnlOf(eve, '192.168.1.99')) });
      network.inject({ answers: [txtOf(eve, texts)] });
      network.now += 200;
    }
    network.inject({ answers: [txtOf(bob.identity, bob.texts())] }, { address: bob.address });
    expect(alice.names.length).toBe(251);
    expect(alice.names).toContain(bob.identity.peerId);
  });

  it('of a host that floods checks a few signatures, and reads a few packets', () => {
    const [alice, bob, carol] = [network.host().come(), network.host(), network.host()];
    network.pass(SECOND_MS);
    const bad = bob.texts().map((text) => (text.toString().startsWith('s=') ? Buffer.from('s=40001') : text));
    for (let count = 0; count < 50; count++) network.inject({ answers: [txtOf(bob.identity, bad)] });
    // Its share is used up, for what is signed, too.
    network.inject({ answers: [txtOf(bob.identity, bob.texts())] });
    expect(alice.names).toEqual([]);
    for (let count = 0; count < 1_000; count++) network.inject({ isResponse: false, questions: BROWSE });
    network.inject({ answers: [txtOf(carol.identity, carol.texts())] }, { address: carol.address });
    expect(alice.names).toEqual([carol.identity.peerId]);
  });

  it('asks for several nodes in a few packets, and for none more than once a second', () => {
    const alice = network.host();
    const others = Array.from({ length: 20 }, () => createIdentity().peerId);
    for (let count = 0; count < 3; count++) for (const peerId of others) alice.discovery.seek(peerId);
    alice.discovery.seek('nobody');
    alice.discovery.seek(alice.identity.peerId);
    network.pass(100);
    expect(network.sent.map(({ message }) => message.questions.length)).toEqual([16, 4]);
  });
});
