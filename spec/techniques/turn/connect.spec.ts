import { Socket } from 'node:net';
import { catchError, defer, map, of, type Observable } from 'rxjs';
import { formatEndpoint, type Endpoint } from '../../../lib/endpoint.js';
import { DialError, reasonOf } from '../../../lib/errors.js';
import type { Link } from '../../../lib/link/link.js';
import { canConnectTo, connectTo$ } from '../../../lib/techniques/turn/connect.js';
import type { Attempt } from '../../../lib/techniques/technique.js';
import type { UnlEndpoint } from '../../../lib/unl/types.js';
import { attemptOf, linkOf } from '../../support/attempts.js';
import { unlOf } from '../../support/locators.js';
import { marbles, type Marbles } from '../../support/marbles.js';

const REFUSED = new DialError('refused');

/** What a spec changes: what becomes of a dial to each address, a socket `s` or a failure, and then of the TLS handshake, a link `l`. */
interface TrialOptions {
  readonly dials?: Readonly<Record<string, string>>;
  readonly secured?: string;
  readonly from?: string;
  readonly attempt?: Partial<Attempt>;
}

/** Has a TURN server dial a peer. Notes what it is asked for, and when; emits by which technique it is reached, or why it is not. */
function trial(
  { cold, scheduler }: Marbles,
  endpoints: readonly UnlEndpoint[],
  { dials = {}, secured = '-l|', from = '45.45.9.9', attempt }: TrialOptions = {},
): { readonly asked: readonly string[]; readonly outcome$: Observable<string> } {
  const asked: string[] = [];
  const [socket, link] = [new Socket(), linkOf('turn')];
  const allocation = {
    relayed: { address: from, port: 50_000 },
    connect$: (endpoint: Endpoint) =>
      defer(() => {
        asked.push(`${scheduler.now()} ${formatEndpoint(endpoint)}`);
        return cold<Socket>(dials[endpoint.address] ?? '#', { s: socket }, REFUSED);
      }),
  };
  const secure$ = () => cold<Link>(secured, { l: link });
  const outcome$ = connectTo$(allocation, attemptOf(scheduler, attempt), { secure$ }, unlOf({ endpoints })).pipe(
    map(({ technique }) => technique),
    catchError((error: unknown) => of(reasonOf(error))),
  );
  return { asked, outcome$ };
}

const at = (address: string, port = 4_000, kind: UnlEndpoint['kind'] = 'wan'): UnlEndpoint => ({ kind, address, port });

describe('a peer that a TURN server dials', () => {
  it('is dialled at its endpoints, each with a head start over the next', () => {
    marbles((helpers) => {
      const { asked, outcome$ } = trial(helpers, [at('45.45.1.1'), at('45.45.1.2'), at('45.45.1.3')], {
        dials: { '45.45.1.1': '-', '45.45.1.2': '-s|' },
      });
      helpers.expectObservable(outcome$).toBe('-----l|', { l: 'turn' });
      helpers.flush();
      expect(asked).toEqual(['0 45.45.1.1:4000', '3 45.45.1.2:4000']);
    });
  });

  it('is dialled where it is public, by the family of the server, at a few endpoints, each once', () => {
    const endpoints = [
      at('192.168.1.7', 4_000, 'lan'),
      at('127.0.0.1', 4_000, 'lan'),
      at('45.45.1.1', 0),
      at('45.45.1.1'),
      at('45.45.1.1', 4_000, 'mapped'),
      at('2a45:45::1'),
      ...[2, 3, 4, 5, 6].map((number) => at(`45.45.1.${number}`)),
    ];
    marbles((helpers) => {
      const [by4, by6] = [trial(helpers, endpoints), trial(helpers, endpoints, { from: '2a45:45::9' })];
      helpers.expectObservable(by4.outcome$).toBe('(r|)', { r: 'refused' });
      helpers.expectObservable(by6.outcome$).toBe('(r|)', { r: 'refused' });
      helpers.flush();
      expect(by4.asked).toEqual([1, 2, 3, 4].map((number) => `0 45.45.1.${number}:4000`));
      expect(by6.asked).toEqual(['0 [2a45:45::1]:4000']);
    });
  });

  it('is not dialled where only it says that it is', () => {
    marbles((helpers) => {
      const attempt = { mayDial: ({ address }: Endpoint) => address !== '45.45.1.1' };
      const { asked, outcome$ } = trial(helpers, [at('45.45.1.1')], { dials: { '45.45.1.1': 's' }, attempt });
      helpers.expectObservable(outcome$).toBe('(e|)', { e: 'The UNL has no endpoint that this TURN server can dial' });
      helpers.flush();
      expect(asked).toEqual([]);
    });
  });

  it('has as long for the TLS handshake as one that is dialled from here', () => {
    marbles((helpers) => {
      const timing = { ...attemptOf(helpers.scheduler).timing, handshakeMs: 5 };
      const { outcome$ } = trial(helpers, [at('45.45.1.1')], {
        dials: { '45.45.1.1': '-s|' },
        secured: '-',
        attempt: { timing },
      });
      helpers
        .expectObservable(outcome$)
        .toBe('------(e|)', { e: '45.45.1.1:4000 did not finish the TLS handshake within 5 ms' });
    });
  });

  it('is one whom others can dial', () => {
    for (const [nodeType, can] of [
      ['passive', true],
      ['simultaneous', false],
      ['active', false],
    ] as const)
      expect(canConnectTo(unlOf({ nodeType })))
        .withContext(nodeType)
        .toBe(can);
  });
});
