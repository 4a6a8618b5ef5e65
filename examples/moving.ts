// A connection that begins by a relay and moves to a direct link, while lines go on: each arrives once and in order.
//
//   npm run moving
import {
  delayWhen,
  filter,
  firstValueFrom,
  interval,
  lastValueFrom,
  map,
  shareReplay,
  switchMap,
  take,
  toArray,
} from 'rxjs';
import { createNet, type Technique } from 'rxp2p';
import { serve$ } from 'rxp2p/servers';

const LINES = 200;

const serving$ = serve$({ bind: '127.0.0.1', port: 0, httpPort: 0 }).pipe(
  shareReplay({ bufferSize: 1, refCount: true }),
);
const servers = serving$.subscribe();
const { endpoints } = await firstValueFrom(serving$);
const rendezvous = [`127.0.0.1:${endpoints.find(({ name }) => name === 'rendezvous')?.local.port ?? 0}`];

const alice = createNet({ mode: 'direct', bind: '127.0.0.2', rendezvous });
const bob = createNet({ mode: 'direct', bind: '127.0.0.3', rendezvous });
const received = lastValueFrom(
  bob.lines$.pipe(
    map(({ text }) => text),
    take(LINES),
    toArray(),
  ),
);

// On one machine a dial would win at once. So Alice has a technique of her own, which dials when half of the lines have come.
const half$ = bob.lines$.pipe(
  filter(({ text }) => text === `line ${LINES / 2}`),
  shareReplay({ bufferSize: 1, refCount: false }),
);
half$.subscribe();
const patient: Technique = {
  name: 'patient',
  dial: (attempt$) =>
    attempt$.pipe(
      delayWhen(() => half$),
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
      map(({ technique, direct }) => {
        console.log(`The lines go ${direct ? 'directly' : 'by a relay'} (${technique})`);
        return technique;
      }),
      take(2),
      toArray(),
    ),
  );
  connection
    .sendAll(
      interval(5).pipe(
        take(LINES),
        map((index) => `line ${index}`),
      ),
    )
    .subscribe({
      error: (error: unknown) => {
        console.error('Not all was sent:', error instanceof Error ? error.message : error);
      },
    });

  const [lines] = await Promise.all([received, ways]);
  const isWhole = lines.every((text, index) => text === `line ${index}`);
  console.log(isWhole ? `Bob got all ${LINES} lines, each once and in order` : 'Bob did NOT get what was sent');
  process.exitCode = isWhole ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await Promise.all([alice.close(), bob.close()]);
  servers.unsubscribe();
}
