// No server of anybody's: nodes of a distributed hash table carry the message in which Alice asks Bob to dial her. Here five of
// them stand for the many that there are elsewhere.
//
//   npm run serverless
import { filter, firstValueFrom, shareReplay, Subscription } from 'rxjs';
import { createNet } from 'rxp2p';
import { dhtServer$ } from 'rxp2p/servers';

const PORT = 17_171;
const NODES = 5;
const host = '127.0.0.11';

// Each knows the first, and learns of the others from it.
const nodes = new Subscription();
for (let i = 0; i < NODES; i++) {
  const bootstrap = i === 0 ? [] : [{ host, port: PORT }];
  const node$ = dhtServer$({ bind: `127.0.0.${11 + i}`, port: PORT, bootstrap }).pipe(
    shareReplay({ bufferSize: 1, refCount: true }),
  );
  nodes.add(node$.subscribe());
  await firstValueFrom(node$);
}
console.log(`A DHT of ${NODES} nodes`);

// A node takes its place in the DHT while it finds out where it is.
const dht = [`${host}:${PORT}`];
const alice = createNet({ mode: 'direct', bind: '127.0.0.2', dht });
const bob = createNet({ mode: 'direct', bind: '127.0.0.3', dht });
bob.trace$.pipe(filter((step) => step.type === 'signal' && step.step === 'received')).subscribe((step) => {
  console.log(`Bob got a signal by the ${'by' in step ? step.by : ''}`);
});
bob.lines$.subscribe(({ connection, text }) => {
  console.log(`Bob got:   ${text}`);
  connection.send('Sup Alice.');
});
try {
  const [, unl] = await Promise.all([firstValueFrom(alice.unl$), firstValueFrom(bob.unl$)]);

  const connection = await firstValueFrom(alice.connect$(unl, { techniques: ['reverse-connect'] }));
  connection.send('Sup Bob.');
  console.log(`Alice got: ${await firstValueFrom(connection.lines$)}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await Promise.all([alice.close(), bob.close()]);
  nodes.unsubscribe();
}
