import { EMPTY, NEVER, of } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { canonicalAddress, familyOf, formatEndpoint, type Endpoint } from '../lib/endpoint.js';
import { leadsTo } from '../lib/port-mapping/upnp/ssdp.js';
import { planPunch } from '../lib/techniques/punch/plan.js';
import type { ReceivedSignal } from '../lib/signalling/signalling.js';
import { candidatesOf } from '../lib/techniques/direct.js';
import { answerDialBacks$, type Reversing } from '../lib/techniques/reverse-connect/answer.js';
import { dialBackSignal } from '../lib/techniques/reverse-connect/messages.js';
import { answerReverse$ } from '../lib/pyp2p/reverse-query.js';
import type { ReverseQueryContext } from '../lib/pyp2p/reverse-query-context.js';
import type { Unl, UnlV3 } from '../lib/unl/types.js';
import { peerIdOf, unlOf, unlOfVersion2 } from './support/locators.js';
import { SPECIAL_ADDRESSES } from './support/special-addresses.js';

const SERVICES = [1, 22, 25, 53, 80, 445, 1023];
const PUBLIC = '45.2.2.2';

/** A node in the open, and one behind a NAT, whose LAN is 192.168.77.0/24: none of the addresses below is there. */
const OWN: readonly UnlV3[] = [
  unlOf({ peerId: peerIdOf(1), endpoints: [{ kind: 'lan', address: '45.1.1.1', port: 4000 }] }),
  unlOf({
    peerId: peerIdOf(1),
    nodeType: 'active',
    endpoints: [
      { kind: 'lan', address: '192.168.77.2', port: 4000 },
      { kind: 'wan', address: '45.1.1.1', port: 4000 },
    ],
  }),
];
const isOnLink = (address: string) => address.startsWith('192.168.77.');

/** What somebody may name: a special address, wherever it is said to be seen, and services at a public one. */
const NAMED: readonly { readonly endpoint: Endpoint; readonly seenAt: string }[] = [
  ...SPECIAL_ADDRESSES.flatMap((address) =>
    [address, PUBLIC].map((seenAt) => ({ endpoint: { address, port: 4000 }, seenAt })),
  ),
  ...SERVICES.map((port) => ({ endpoint: { address: PUBLIC, port }, seenAt: PUBLIC })),
  { endpoint: { address: '45.3.3.3', port: 4000 }, seenAt: PUBLIC },
];

describe('a node cannot be made to connect to a third party', () => {
  /** The endpoints that a node dials for strangers who ask by signal for these. */
  function dialledBack(own: Unl, asked: typeof NAMED): readonly string[] {
    const scheduler = new TestScheduler(() => undefined);
    const dialled: string[] = [];
    const reversing: Reversing = {
      own: () => own,
      admits: () => true,
      mayRefuse: () => true,
      isOnLink,
      // It never comes to see whoever asks.
      looksForItself: false,
      dial$: (endpoint) => {
        dialled.push(formatEndpoint(endpoint));
        return EMPTY;
      },
      satisfied$: () => NEVER,
      adopt: () => undefined,
      staggerMs: 1,
      scheduler,
    };
    const signals = asked.map(({ endpoint, seenAt }, index): ReceivedSignal => {
      const unl = unlOf({ peerId: peerIdOf(2 + (index % 200)), endpoints: [{ kind: 'wan', ...endpoint }] });
      return { ...dialBackSignal(`attempt${index}`, unl), from: unl.peerId, seenAt };
    });
    const subscription = answerDialBacks$({ signal$: of(...signals), send$: () => EMPTY }, reversing).subscribe();
    scheduler.flush();
    subscription.unsubscribe();
    return dialled;
  }

  it('by a request to dial back', () => {
    for (const own of OWN) {
      expect(dialledBack(own, NAMED)).toEqual([]);
      expect(dialledBack(own, [{ endpoint: { address: PUBLIC, port: 4000 }, seenAt: PUBLIC }])).toEqual([
        `${PUBLIC}:4000`,
      ]);
    }
  });

  /** The endpoints that a plain node dials for messages in its mailbox that name these. */
  function dialledForMail(own: Unl, peers: readonly { wan: string; lan: string; port: number }[]): readonly string[] {
    const scheduler = new TestScheduler(() => undefined);
    const dialled: string[] = [];
    const messages = peers.map(
      (fields) => ({ verb: 'REVERSE_CONNECT', unl: unlOfVersion2(fields), nonce: '1'.repeat(64) }) as const,
    );
    const context: ReverseQueryContext = {
      own: () => own,
      message$: of(...messages),
      send$: () => EMPTY,
      newNonce: () => '',
      arrival$: () => NEVER,
      dial$: (endpoint) => {
        dialled.push(formatEndpoint(endpoint));
        return EMPTY;
      },
      receive: () => undefined,
      hasSlotFor: () => true,
      isConnected: () => false,
      isOnLink,
      asked: { add: () => () => undefined, recall: () => undefined },
      drop: () => undefined,
      fail: () => undefined,
      scheduler,
    };
    answerReverse$(context).subscribe();
    scheduler.flush();
    return dialled;
  }

  it('by a message of PyP2P’s that asks to be dialled', () => {
    const own = unlOfVersion2({ nodeId: 'f'.repeat(40), wan: '45.1.1.1', lan: '192.168.77.2' });
    const special = SPECIAL_ADDRESSES.filter((address) => familyOf(address) === 4);
    const peers = special.flatMap((address) => [
      { wan: address, lan: address, port: 4000 },
      { wan: '45.1.1.1', lan: address, port: 4000 },
    ]);
    expect(dialledForMail(own, peers)).toEqual([]);
    expect(
      dialledForMail(
        own,
        SERVICES.map((port) => ({ wan: PUBLIC, lan: PUBLIC, port })),
      ),
    ).toEqual([]);
    expect(dialledForMail(own, [{ wan: PUBLIC, lan: '10.0.0.1', port: 4000 }])).toEqual([`${PUBLIC}:4000`]);
  });

  it('by a side that it names for a simultaneous open or a challenge', () => {
    const natType = { type: 'preserving' } as const;
    const options = { maxSockets: 1_000, random: () => 0 };
    for (const address of SPECIAL_ADDRESSES) {
      for (const own of ['45.1.1.1', '2a00::1']) {
        const side = { natType, address: own, ports: [4000], localPorts: [4000] };
        const plan = () => planPunch(side, { natType, address, ports: [4000] }, options);
        expect(plan)
          .withContext(address)
          .toThrowError(/public/);
      }
    }
    const side = { natType, address: '45.1.1.1', ports: [4000], localPorts: [4000] };
    expect(() => planPunch(side, { natType, address: PUBLIC, ports: SERVICES }, options)).toThrowError();
  });

  it('by a locator that its user passes to connect$', () => {
    for (const own of OWN) {
      for (const address of SPECIAL_ADDRESSES) {
        const endpoints = [
          { kind: 'wan' as const, address, port: 80 },
          { kind: 'wan' as const, address: PUBLIC, port: 4000 },
          { kind: 'lan' as const, address, port: 25 },
        ];
        expect(candidatesOf(own, unlOf({ endpoints })).map(formatEndpoint))
          .withContext(address)
          .toEqual([`${PUBLIC}:4000`]);
      }
    }
  });

  it('by an answer in a gateway’s name that points elsewhere', () => {
    const gateway = { address: '192.168.77.1', host: '192.168.77.1' };
    for (const address of [...SPECIAL_ADDRESSES, PUBLIC]) {
      const host = familyOf(address) === 6 ? `[${address}]` : address;
      expect(leadsTo(gateway, new URL(`http://${host}:80/`)))
        .withContext(address)
        .toBeFalse();
    }
    expect(leadsTo(gateway, new URL('http://192.168.77.1:5000/'))).toBeTrue();
  });

  it('by writing an IPv4 address as one of IPv6', () => {
    expect(canonicalAddress('::ffff:127.0.0.1')).toBe('127.0.0.1');
    expect(SPECIAL_ADDRESSES).toContain('169.254.169.254');
  });
});
