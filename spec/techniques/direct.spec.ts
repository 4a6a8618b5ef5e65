import { catchError, of, type Observable } from 'rxjs';
import type { Endpoint } from '../../lib/endpoint.js';
import { DialError } from '../../lib/errors.js';
import type { Link } from '../../lib/link/link.js';
import { candidatesOf, direct } from '../../lib/techniques/direct.js';
import { isNear } from '../../lib/unl/near.js';
import type { Unl, UnlEndpoint } from '../../lib/unl/types.js';
import { attemptOf, linkOf } from '../support/attempts.js';
import { unlOf, unlOfVersion2 } from '../support/locators.js';
import { SPECIAL_ADDRESSES } from '../support/special-addresses.js';
import { marbles } from '../support/marbles.js';

/** `lan 10.0.0.1` as an endpoint; the port is 1 unless it says otherwise. */
function endpointOf(text: string): UnlEndpoint {
  const [, kind, address = '', port = '1'] = /^(lan|wan|mapped) (\S+?)(?:#(\d+))?$/.exec(text) ?? [];
  if (kind !== 'lan' && kind !== 'wan' && kind !== 'mapped') throw new Error(`Not an endpoint: ${text}`);
  return { kind, address, port: Number(port) };
}

function node(...endpoints: readonly string[]): Unl {
  return unlOf({ endpoints: endpoints.map(endpointOf) });
}

/** The addresses that are dialled, in order, with the port where it is not 1. */
function candidates(own: Unl, peer: Unl): string[] {
  return candidatesOf(own, peer).map(({ address, port }) => (port === 1 ? address : `${address}#${port}`));
}

describe('the endpoints that are dialled', () => {
  it('are the public ones of a peer elsewhere: its LAN addresses would lead to strangers', () => {
    const own = node('lan 192.168.0.2', 'wan 45.198.51.1');
    const peer = node('lan 192.168.0.3', 'wan 45.203.113.1', 'mapped 45.203.113.1#2');
    expect(candidates(own, peer)).toEqual(['45.203.113.1', '45.203.113.1#2']);
  });

  it('are the LAN ones first when both share a public address', () => {
    const own = node('lan 192.168.0.2', 'wan 45.203.113.1');
    const peer = node('wan 45.203.113.1#2', 'lan 192.168.0.3', 'lan 10.0.0.3');
    expect(candidates(own, peer)).toEqual(['192.168.0.3', '10.0.0.3', '45.203.113.1#2']);
  });

  it('are the LAN ones, too, where no public address is known', () => {
    expect(candidates(node('lan 192.168.0.2'), node('lan 192.168.0.3', 'wan 45.203.113.1'))).toEqual([
      '192.168.0.3',
      '45.203.113.1',
    ]);
    expect(candidates(node('lan 192.168.0.2', 'wan 45.203.113.1'), node('lan 192.168.0.3'))).toEqual(['192.168.0.3']);
  });

  it('are IPv6 and IPv4 in turns, IPv6 first (RFC 8305 §4)', () => {
    const own = node('lan 10.0.0.1', 'lan 2a00:db8::1');
    const peer = node('wan 45.203.113.1', 'wan 45.203.113.2', 'wan 2a00:db8::2', 'wan 45.203.113.3', 'wan 2a00:db8::3');
    expect(candidates(own, peer)).toEqual([
      '2a00:db8::2',
      '45.203.113.1',
      '2a00:db8::3',
      '45.203.113.2',
      '45.203.113.3',
    ]);
  });

  it('are only of a family that this node has, when it knows its own', () => {
    const peer = node('wan 45.203.113.1', 'wan 2a00:db8::2');
    expect(candidates(node('lan 10.0.0.1'), peer)).toEqual(['45.203.113.1']);
    expect(candidates(node('lan 2a00:db8::1'), peer)).toEqual(['2a00:db8::2']);
    expect(candidates(node(), peer)).toEqual(['2a00:db8::2', '45.203.113.1']);
  });

  it('are on this very machine only when the peer may be, too', () => {
    const peer = node('lan 127.0.0.2', 'wan 127.0.0.3');
    expect(candidates(node('lan 10.0.0.1', 'wan 45.203.113.1'), peer)).toEqual([]);
    expect(candidates(node('lan 127.0.0.1', 'wan 127.0.0.1'), peer)).toEqual(['127.0.0.2', '127.0.0.3']);
    expect(candidates(node('lan 10.0.0.1'), peer)).toEqual(['127.0.0.2', '127.0.0.3']);
  });

  it('are never ones that nobody can have, nor the one at which this node itself listens', () => {
    const own = node('lan 10.0.0.1#5', 'wan 45.203.113.1');
    const peer = node('lan 0.0.0.0', 'lan 255.255.255.255', 'lan 224.0.0.1', 'lan 10.0.0.1#5', 'lan 10.0.0.1#6');
    expect(candidates(own, peer)).toEqual(['10.0.0.1#6']);
  });

  it('are none of a local network, nor of any other special range, for a node in the open', () => {
    const own = node('lan 45.203.113.1', 'wan 45.203.113.1', 'lan 2a00::1');
    for (const address of SPECIAL_ADDRESSES) {
      const peer = node(`wan ${address}#80`, `mapped ${address}#25`, `lan ${address}`);
      expect(candidates(own, peer)).withContext(address).toEqual([]);
    }
  });

  it('are none of a local network for a node that is seen elsewhere than the peer', () => {
    const own = node('lan 192.168.0.2', 'wan 45.203.113.1');
    expect(candidates(own, node('wan 192.168.1.1#80', 'wan 169.254.169.254#80', 'wan 127.0.0.1'))).toEqual([]);
  });

  it('are each dialled once', () => {
    const peer = node('lan 45.203.113.1', 'wan 45.203.113.1', 'mapped 45.203.113.1', 'mapped 45.203.113.1#2');
    expect(candidates(node(), peer)).toEqual(['45.203.113.1', '45.203.113.1#2']);
  });

  it('of a PyP2P node are its LAN address when near, and its public one', () => {
    const own = unlOfVersion2({ wan: '45.198.51.7', lan: '192.168.1.2' });
    expect(candidates(own, unlOfVersion2({ wan: '45.198.51.7' }))).toEqual(['192.168.1.7#50500', '45.198.51.7#50500']);
    expect(candidates(own, unlOfVersion2({ wan: '45.198.51.8' }))).toEqual(['45.198.51.8#50500']);
  });

  it('of a PyP2P node that listens nowhere are none', () => {
    expect(candidates(node(), unlOfVersion2({ port: 0 }))).toEqual([]);
  });
});

describe('two nodes', () => {
  it('may be on one network where they are seen at one address, or in one IPv6 /64, or it is not known where', () => {
    const near: readonly (readonly [Unl, Unl])[] = [
      [node('lan 192.168.0.2', 'wan 45.203.113.1'), node('lan 10.0.0.3', 'wan 45.203.113.1')],
      [node('lan 2a00::1', 'lan 192.168.0.2'), node('lan 2a00::2', 'lan 192.168.0.3', 'wan 45.203.113.1')],
      [node('lan 192.168.0.2'), node('lan 192.168.0.3', 'wan 45.203.113.1')],
      [node('lan 192.168.0.2', 'lan 2a00::1'), node('lan 192.168.0.3', 'wan 45.203.113.1')],
      [node(), node('wan 45.203.113.1')],
      [node('lan 192.168.0.2', 'wan 192.168.0.2'), node('lan 192.168.0.3', 'wan 192.168.0.3')],
    ];
    for (const [one, other] of near) expect([isNear(one, other), isNear(other, one)]).toEqual([true, true]);
  });

  it('are on two networks where they are seen at other addresses, or have no family of addresses in common', () => {
    const far: readonly (readonly [Unl, Unl])[] = [
      [node('lan 192.168.0.2', 'wan 45.203.113.1'), node('lan 192.168.0.3', 'wan 45.203.113.2')],
      // No NAT, so that nobody sees it at another address than its own.
      [node('lan 8.8.8.8'), node('lan 192.168.0.3', 'wan 45.203.113.2')],
      [node('lan 2a00::1'), node('lan 2a00:0:0:1::1')],
      [node('lan 192.168.0.2', 'wan 45.203.113.1'), node('lan 192.168.0.3', 'wan 192.168.0.3')],
      [node('lan 2a00::1'), node('lan 192.168.0.3', 'wan 45.203.113.2')],
    ];
    for (const [one, other] of far) expect([isNear(one, other), isNear(other, one)]).toEqual([false, false]);
  });
});

describe('the direct technique', () => {
  const peer = node('wan 45.203.113.1', 'wan 45.203.113.2', 'wan 45.203.113.3');

  /** Dials in virtual time; each address does what its marbles say. */
  function dialling(
    diagrams: Readonly<Record<string, string>>,
    spec: (
      tools: Parameters<Parameters<typeof marbles>[0]>[0] & {
        readonly links$: Observable<Link>;
        readonly link: Link;
        readonly dialled: Readonly<Record<string, { readonly subscriptions: readonly unknown[] }>>;
      },
    ) => void,
  ): void {
    marbles((helpers) => {
      const link = linkOf('direct');
      const dialled = Object.fromEntries(
        Object.entries(diagrams).map(([address, diagram]) => [
          address,
          helpers.cold(diagram, { l: link }, new DialError(`${address} refused`)),
        ]),
      );
      const dial$ = ({ address }: Endpoint, technique: string): Observable<Link> => {
        expect(technique).toBe('direct');
        return dialled[address] ?? helpers.cold('#');
      };
      spec({ ...helpers, link, links$: of(attemptOf(helpers.scheduler, { peer, dial$ })).pipe(direct.dial), dialled });
    });
  }

  it('dials one endpoint after the other with a short head start each, and hangs up on the losers', () => {
    const diagrams = { '45.203.113.1': '----------', '45.203.113.2': '---(l|)', '45.203.113.3': '------' };
    dialling(diagrams, ({ expectObservable, links$, link, dialled, flush }) => {
      expectObservable(links$).toBe('------(l|)', { l: link });
      flush();
      const frames = Object.values(dialled).map(({ subscriptions }) => subscriptions);
      expect(frames).toEqual([
        [jasmine.objectContaining({ subscribedFrame: 0, unsubscribedFrame: 6 })],
        [jasmine.objectContaining({ subscribedFrame: 3, unsubscribedFrame: 6 })],
        [],
      ]);
    });
  });

  it('goes on at once where one refuses', () => {
    const diagrams = { '45.203.113.1': '#', '45.203.113.2': '-#', '45.203.113.3': '-(l|)' };
    dialling(diagrams, ({ expectObservable, links$, link }) => {
      expectObservable(links$).toBe('--(l|)', { l: link });
    });
  });

  it('fails with the failure of each endpoint when all have failed', () => {
    const diagrams = { '45.203.113.1': '--#', '45.203.113.2': '#', '45.203.113.3': '-----#' };
    dialling(diagrams, ({ expectObservable, links$ }) => {
      const reasons$ = links$.pipe(
        catchError((error: unknown) => of(error instanceof AggregateError ? error.errors.map(String) : [])),
      );
      const r = ['45.203.113.1', '45.203.113.2', '45.203.113.3'].map((address) => `DialError: ${address} refused`);
      expectObservable(reasons$).toBe('-------(r|)', { r });
    });
  });

  it('says so when there is nothing to dial', () => {
    marbles(({ scheduler, expectObservable }) => {
      expectObservable(of(attemptOf(scheduler)).pipe(direct.dial)).toBe(
        '#',
        undefined,
        new DialError('The UNL has no endpoint that can be dialled from here'),
      );
    });
  });

  it('dials beside them where the peer is found on the local network', () => {
    marbles(({ scheduler, cold, expectObservable, flush }) => {
      const [link, refused] = [linkOf('direct'), new DialError('refused')];
      const dialled: string[] = [];
      const dial$ = ({ address }: Endpoint): Observable<Link> => {
        dialled.push(address);
        return address === '192.168.1.9' ? cold('--(l|)', { l: link }) : cold('-------#', undefined, refused);
      };
      const at = (address: string) => ({ address, port: 1 });
      const nearby$ = cold('a-b-c|', { a: at('45.203.113.1'), b: at('192.168.1.8'), c: at('192.168.1.9') });
      const peer = node('wan 45.203.113.1');
      expectObservable(of(attemptOf(scheduler, { peer, dial$, nearby$ })).pipe(direct.dial)).toBe('------(l|)', {
        l: link,
      });
      flush();
      expect(dialled).toEqual(['45.203.113.1', '192.168.1.8', '192.168.1.9']);
    });
  });

  it('fails as it would without the local network when the peer is not found there', () => {
    marbles(({ scheduler, cold, expectObservable }) => {
      expectObservable(of(attemptOf(scheduler, { nearby$: cold('---|') })).pipe(direct.dial)).toBe(
        '---#',
        undefined,
        new DialError('The UNL has no endpoint that can be dialled from here'),
      );
    });
  });
});
