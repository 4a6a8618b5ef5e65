// A direct connection by locator, PyP2P's third example: Alice connects to Bob by his UNL and says hello.
//
//   npm run direct
import { firstValueFrom } from 'rxjs';
import { createNet } from 'rxp2p';

const alice = createNet({ mode: 'direct', bind: '127.0.0.2' });
const bob = createNet({ mode: 'direct', bind: '127.0.0.3' });

bob.lines$.subscribe(({ connection, text }) => {
  console.log(`Bob got:   ${text}`);
  connection.send('Sup Alice.');
});

try {
  const unl = await firstValueFrom(bob.unl$);
  console.log(`Bob is at: ${unl}`);

  const connection = await firstValueFrom(alice.connect$(unl));
  const { technique, direct } = await firstValueFrom(connection.path$);
  console.log(`Connected: ${technique}, ${direct ? 'straight to him' : 'by a relay'}`);
  connection.send('Sup Bob.');
  console.log(`Alice got: ${await firstValueFrom(connection.lines$)}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await Promise.all([alice.close(), bob.close()]);
}
