// A reverse connect by way of a mailbox: Alice wants to reach Bob, who is not there. She leaves a message for him; he comes
// back, finds it, and dials her.
//
//   npm run reverse
import { filter, firstValueFrom, shareReplay } from 'rxjs';
import { createIdentity, createNet } from 'rxp2p';
import { serve$ } from 'rxp2p/servers';

const serving$ = serve$({ bind: '127.0.0.1', port: 0, httpPort: 0 }).pipe(
  shareReplay({ bufferSize: 1, refCount: true }),
);
const servers = serving$.subscribe();
const { endpoints } = await firstValueFrom(serving$);
const mailbox = [`http://127.0.0.1:${endpoints.find(({ name }) => name === 'http')?.local.port ?? 0}`];

// Bob gives his locator to Alice, and goes away.
const identity = createIdentity();
const before = createNet({ mode: 'direct', bind: '127.0.0.3', mailbox, identity });
const unl = await firstValueFrom(before.unl$);
await before.close();

const alice = createNet({ mode: 'direct', bind: '127.0.0.2', mailbox });
await firstValueFrom(alice.unl$);
const bob = createNet({ mode: 'direct', bind: '127.0.0.3', mailbox, identity });
bob.lines$.subscribe(({ connection, text }) => {
  console.log(`Bob got:   ${text}`);
  connection.send('Sup Alice.');
});

try {
  const asked = firstValueFrom(alice.trace$.pipe(filter(({ type }) => type === 'signal')));
  const connected = firstValueFrom(alice.connect$(unl, { techniques: ['reverse-connect'] }));
  const signal = await asked;
  console.log(`Alice has asked Bob to dial her; her message is ${'delivery' in signal ? signal.delivery : 'lost'}`);

  await bob.start();
  console.log('Bob is back');

  const connection = await connected;
  const { technique } = await firstValueFrom(connection.path$);
  console.log(`Connected: ${technique}`);
  connection.send('Sup Bob.');
  console.log(`Alice got: ${await firstValueFrom(connection.lines$)}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await Promise.all([alice.close(), bob.close()]);
  servers.unsubscribe();
}
