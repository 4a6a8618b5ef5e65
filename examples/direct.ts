// A direct connection by locator, PyP2P's third example: Alice connects to Bob by his UNL and says hello.
//
//   npm run direct
import { firstValueFrom, switchMap, tap } from 'rxjs';
import { createNet } from 'rxp2p';

const alice = createNet({ mode: 'direct', bind: '127.0.0.2' });
const bob = createNet({ mode: 'direct', bind: '127.0.0.3' });

bob.lines$.subscribe(({ connection, text }) => {
  console.log(`Bob got:   ${text}`);
  connection.send('Sup Alice.');
});

const unl = await firstValueFrom(bob.unl$);
console.log(`Bob is at: ${unl}`);

const answer$ = alice.connect$(unl).pipe(
  tap((connection) => connection.send('Sup Bob.')),
  switchMap((connection) => connection.lines$),
);
console.log(`Alice got: ${await firstValueFrom(answer$)}`);

await Promise.all([alice.close(), bob.close()]);
