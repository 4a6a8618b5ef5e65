// An Observable that lives at a peer: a ticker that goes on while its connection moves from a relay to a direct link.
//
//   npm run remote
import {
  delayWhen,
  filter,
  firstValueFrom,
  interval,
  lastValueFrom,
  map,
  shareReplay,
  Subject,
  switchMap,
  take,
  tap,
  toArray,
  type Observable,
} from 'rxjs';
import { createNet, RemoteError, type Technique } from 'rxp2p';
import { serve$ } from 'rxp2p/servers';

interface Market {
  prices(symbol: string): Observable<number>;
  buy(symbol: string, count: number): Promise<string>;
}

const TICKS = 100;

const serving$ = serve$({ bind: '127.0.0.1', port: 0, httpPort: 0 }).pipe(
  shareReplay({ bufferSize: 1, refCount: true }),
);
const servers = serving$.subscribe({ error: console.error });
const { endpoints } = await firstValueFrom(serving$);
const rendezvous = [`127.0.0.1:${endpoints.find(({ name }) => name === 'rendezvous')?.local.port ?? 0}`];
const alice = createNet({ mode: 'direct', bind: '127.0.0.2', rendezvous });
const bob = createNet({ mode: 'direct', bind: '127.0.0.3', rendezvous });

bob.expose<Market>(
  {
    prices: (symbol) => interval(10).pipe(map((i) => symbol.length * 100 + i)),
    buy: (symbol, count) =>
      count > 10
        ? Promise.reject(new RangeError(`Only 10 of ${symbol} are left`))
        : Promise.resolve(`${count} ${symbol}`),
  },
  { as: 'market' },
);

// On one machine a dial would win at once. So Alice has a technique of her own, which dials when half of the prices have come.
const half = new Subject<void>();
const patient: Technique = {
  name: 'patient',
  dial: (attempt$) =>
    attempt$.pipe(
      delayWhen(() => half),
      switchMap(({ peer, dial$ }) => {
        const [endpoint = { address: '127.0.0.3', port: 0 }] = peer.version === 3 ? peer.endpoints : [];
        return dial$(endpoint, patient.name);
      }),
    ),
};

try {
  const connection = await firstValueFrom(
    alice.connect$(await firstValueFrom(bob.unl$), { techniques: ['relay', patient] }),
  );
  const ways = lastValueFrom(
    connection.path$.pipe(
      filter(({ roundTripMs }) => roundTripMs === undefined),
      tap(({ technique, direct }) => {
        console.log(`The prices come ${direct ? 'directly' : 'by a relay'} (${technique})`);
      }),
      take(2),
    ),
  );

  const market = connection.remote<Market>('market');
  const prices = await lastValueFrom(
    market.prices('ACME').pipe(
      tap((price) => {
        if (price === 400 + TICKS / 2) half.next();
      }),
      take(TICKS),
      toArray(),
    ),
  );
  await ways;
  const isWhole = prices.every((price, i) => price === 400 + i);
  console.log(`${prices.length} prices of ACME, ${isWhole ? 'each once and in order' : 'some of them lost'}`);

  console.log(`Bought ${await firstValueFrom(market.buy('ACME', 7))}`);
  await firstValueFrom(market.buy('ACME', 11)).catch((error: unknown) => {
    if (error instanceof RemoteError) console.log(`Not bought: ${error.remoteName}: ${error.message}`);
  });
} finally {
  await Promise.all([alice.close(), bob.close()]);
  servers.unsubscribe();
}
