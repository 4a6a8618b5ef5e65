// An application as it is bundled: two nodes that exchange a line, and what one says of a package that is not installed.
import { filter, firstValueFrom, map } from 'rxjs';
import { createNet } from 'rxp2p';

const alice = createNet({ mode: 'direct', bind: '127.0.0.2', dht: ['127.0.0.1:1'], mqtt: ['mqtt://127.0.0.1:1'] });
const bob = createNet({ mode: 'direct', bind: '127.0.0.3' });

const dht = firstValueFrom(
  alice.trace$.pipe(
    filter((event) => event.type === 'dht'),
    map((event) => (event.state === 'failed' ? event.reason : event.state)),
  ),
);
const mqtt = firstValueFrom(
  alice.trace$.pipe(
    filter((event) => event.type === 'server' && event.kind === 'MQTT'),
    map((event) => ('failure' in event ? event.failure : undefined)),
  ),
);
const received = firstValueFrom(bob.lines$);
const connection = await firstValueFrom(alice.connect$(await firstValueFrom(bob.unl$)));
connection.send('hello');
console.log(`Bob got ${(await received).text}`);
console.log(`DHT: ${await dht}`);
console.log(`MQTT: ${(await mqtt) ?? 'there'}`);

await Promise.all([alice.close(), bob.close()]);
