// A web server at Bob's is opened from Alice's machine, by a local port there, over the connection between them.
//
//   npm run forward
import { once } from 'node:events';
import { createServer } from 'node:http';
import { firstValueFrom, shareReplay } from 'rxjs';
import { createNet, exposePort$, forwardPort$ } from 'rxp2p';

const alice = createNet({ mode: 'direct', bind: '127.0.0.2' });
const bob = createNet({ mode: 'direct', bind: '127.0.0.3' });

const web = createServer((request, response) => {
  response.setHeader('connection', 'close').end(`Bob's page at ${request.url ?? '/'}`);
});
web.listen(0, '127.0.0.1');
await once(web, 'listening');
const address = web.address();
if (address === null || typeof address === 'string') throw new Error('Expected a port');

// Bob leads peers to his web server, and to nothing else.
const exposing = exposePort$(bob, { name: 'web', host: '127.0.0.1', port: address.port }).subscribe({
  next: ({ reason }) => {
    console.error(reason);
  },
  error: console.error,
});

// A port of Alice's leads there for as long as she is subscribed.
const step$ = forwardPort$(alice, await firstValueFrom(bob.unl$), { name: 'web' }).pipe(
  shareReplay({ bufferSize: 1, refCount: true }),
);
const forwarding = step$.subscribe({ error: console.error });

try {
  const step = await firstValueFrom(step$);
  if (step.type === 'failed') throw new Error(step.reason);
  for (const path of ['/', '/photos']) {
    const answer = await fetch(`http://127.0.0.1:${step.local.port}${path}`);
    console.log(`Alice sees: ${await answer.text()}`);
  }
} finally {
  forwarding.unsubscribe();
  exposing.unsubscribe();
  web.close();
  await Promise.all([alice.close(), bob.close()]);
}
