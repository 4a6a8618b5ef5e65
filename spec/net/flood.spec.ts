import { BehaviorSubject, NEVER, of, Subject, throwError, type Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import type { NetConfig } from '../../lib/config.js';
import { resolveConfig } from '../../lib/config/resolve.js';
import { createIdentity } from '../../lib/identity.js';
import { flood$ } from '../../lib/net/flood.js';
import type { RendezvousSession } from '../../lib/rendezvous/session.js';
import { systemRuntime } from '../../lib/runtime.js';
import { formatEndpoint } from '../../lib/endpoint.js';
import { endpointsIn } from '../../lib/unl/near.js';
import type { Unl } from '../../lib/unl/types.js';
import { peerIdOf, unlOf, unlOfVersion2 } from '../support/locators.js';

const HOUR = 3_600_000;

/** Where the server sees everybody. */
const SEEN_AT = '45.1.1.1';

describe('a node of a flooding network', () => {
  const own = unlOf({ peerId: peerIdOf(1) });
  const others = [2, 3, 4, 5].map((seed) => unlOf({ peerId: peerIdOf(seed) }));

  /** A node in virtual time with one server; what it does is written down with the time at which it does it. */
  function flooding(
    { taken = 0, inbound = 0, listed = others }: { taken?: number; inbound?: number; listed?: readonly Unl[] },
    config: Partial<NetConfig>,
    run: (node: {
      log: string[];
      peers: readonly Unl[];
      at: (ms: number, action: () => void) => void;
      counts: { outbound: number; inbound: number };
      left: Subject<unknown>;
      until: (ms: number) => void;
    }) => void,
    connect$?: (peer: Unl) => Observable<unknown>,
  ): void {
    const scheduler = new TestScheduler(() => undefined);
    const log: string[] = [];
    const say = (what: string) => log.push(`${scheduler.now()} ${what}`);
    const peers: Unl[] = [];
    const counts = { outbound: taken, inbound };
    const left = new Subject<unknown>();
    const session: RendezvousSession = {
      server: { host: 'server', port: 8000 },
      observed: undefined,
      remote: { address: '192.0.2.1', port: 8000 },
      httpPort: undefined,
      serverId: undefined,
      nonce: undefined,
      roundTripMs: undefined,
      message$: NEVER,
      send$: () => NEVER,
      nodes$: (count) => {
        say(`asks for ${count}`);
        return of(listed.map((unl) => ({ unl, seenAt: [SEEN_AT] })));
      },
      advertise: () => say('advertises'),
      line$: NEVER,
      say: () => undefined,
    };
    const subscription = flood$({
      config: resolveConfig({ mode: 'p2p', identity: createIdentity(), ...config }),
      runtime: { ...systemRuntime, scheduler, random: () => 1 },
      trace: () => undefined,
      peers: { count: (direction) => counts[direction], get: () => undefined, left$: left },
      sessions$: new BehaviorSubject([session]),
      own$: new BehaviorSubject<Unl>(own),
      isOnLink: () => false,
      connect$: (peer) => {
        peers.push(peer);
        say(`connects to ${peer.version === 3 ? others.findIndex((other) => other.peerId === peer.peerId) : 'nobody'}`);
        if (connect$ === undefined) counts.outbound++;
        return connect$?.(peer) ?? of('connected');
      },
    }).subscribe();
    run({
      log,
      peers,
      counts,
      left,
      at: (ms, action) => scheduler.schedule(action, ms),
      until: (ms) => {
        scheduler.maxFrames = ms;
        scheduler.flush();
      },
    });
    subscription.unsubscribe();
  }

  it('advertises itself at once, and then every 12 hours', () => {
    flooding({ taken: 10 }, {}, ({ log, until }) => {
      until(25 * HOUR);
      expect(log).toEqual(['0 advertises', `${12 * HOUR} advertises`, `${24 * HOUR} advertises`]);
    });
  });

  it('does not advertise again once three others have found it', () => {
    flooding({ taken: 10 }, {}, ({ log, counts, at, until }) => {
      at(1, () => (counts.inbound = 3));
      at(13 * HOUR, () => (counts.inbound = 2));
      until(25 * HOUR);
      expect(log).toEqual(['0 advertises', `${24 * HOUR} advertises`]);
    });
  });

  it('asks for three nodes a free slot, and connects to no more than it has slots', () => {
    flooding({ taken: 8 }, {}, ({ log, until }) => {
      until(0);
      expect(withoutAdvertising(log)).toEqual(['0 asks for 6', '0 connects to 0', '0 connects to 1']);
    });
  });

  it('begins no more attempts side by side than it has free slots', () => {
    flooding(
      { taken: 8 },
      {},
      ({ log, until }) => {
        until(0);
        expect(withoutAdvertising(log).slice(1)).toEqual(['0 connects to 0', '0 connects to 1']);
      },
      () => NEVER,
    );
  });

  it('asks again with growing pauses, up to half an hour, while slots are free', () => {
    flooding({ listed: [] }, {}, ({ log, until }) => {
      until(HOUR);
      const times = log.filter((entry) => entry.includes('asks')).map((entry) => Number(entry.split(' ')[0]));
      const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
      expect(pauses.slice(0, 4)).toEqual([1000, 2000, 4000, 8000]);
      expect(Math.max(...pauses)).toBeLessThanOrEqual(HOUR / 2);
    });
  });

  it('asks nobody while its slots are taken, and at once when one becomes free', () => {
    flooding({ taken: 10, listed: [] }, {}, ({ log, counts, left, at, until }) => {
      at(5000, () => {
        counts.outbound = 9;
        left.next('somebody');
      });
      until(5000);
      expect(log).toEqual(['0 advertises', '5000 asks for 3']);
    });
  });

  it('skips itself, and peers that it cannot reach', () => {
    flooding(
      { taken: 9, listed: [own, ...others.slice(0, 2)] },
      {},
      ({ log, until }) => {
        until(0);
        expect(withoutAdvertising(log).slice(1)).toEqual(['0 connects to 0', '0 connects to 1']);
      },
      () => throwError(() => new Error('unreachable')),
    );
  });

  it('dials a listed node only where the server sees it, four endpoints at most', () => {
    const endpoints = ['45.2.2.2', '192.168.1.1', '169.254.169.254', '127.0.0.1', SEEN_AT].flatMap((address) =>
      [25, 4000, 4001, 4002, 4003, 4004].map((port) => ({ kind: 'wan' as const, address, port })),
    );
    flooding({ taken: 9, listed: [unlOf({ peerId: peerIdOf(2), endpoints })] }, {}, ({ peers, until }) => {
      until(0);
      expect(peers.flatMap(endpointsIn).map(formatEndpoint)).toEqual(
        [4000, 4001, 4002, 4003].map((port) => `${SEEN_AT}:${port}`),
      );
    });
  });

  it('dials a node of PyP2P’s where the server sees it, or not at all', () => {
    const seen = unlOfVersion2({ wan: SEEN_AT, lan: SEEN_AT });
    const elsewhere = ['45.2.2.2', '192.168.1.1', '127.0.0.1'].map((at) => unlOfVersion2({ wan: at, lan: at }));
    const half = unlOfVersion2({ wan: SEEN_AT, lan: '192.168.1.1' });
    flooding({ taken: 0, listed: [half, ...elsewhere, seen] }, {}, ({ peers, until }) => {
      until(0);
      expect(peers).toEqual([seen]);
    });
  });
});

function withoutAdvertising(log: readonly string[]): readonly string[] {
  return log.filter((entry) => !entry.endsWith('advertises'));
}
