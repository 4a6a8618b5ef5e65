// Many channels over one connection: a file, a chat and a request beside each other, each with its own pace.
//
//   npm run channels
import { createHash } from 'node:crypto';
import { firstValueFrom, lastValueFrom, map, mergeMap, reduce, take, tap, toArray } from 'rxjs';
import { createNet } from 'rxp2p';

const FILE = Buffer.alloc(20_000_000, 'a file that takes a while, ');
const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

const alice = createNet({ mode: 'direct', bind: '127.0.0.2' });
const bob = createNet({ mode: 'direct', bind: '127.0.0.3' });

try {
  // Bob takes channels by their names; whatever else is opened is refused.
  const file = firstValueFrom(
    bob.channels$('file').pipe(
      mergeMap(({ messages$ }) => messages$.pipe(reduce((all, message) => all.update(message), createHash('sha256')))),
      map((hash) => hash.digest('hex').slice(0, 16)),
    ),
  );
  const answering = bob
    .channels$('chat')
    .pipe(mergeMap((chat) => chat.lines$.pipe(tap((text) => chat.send(`${text} yourself`)))))
    .subscribe({ error: console.error });
  // A channel that nobody reads holds up nobody but itself.
  const ignoring = bob.channels$('ignored').subscribe({ error: console.error });

  const connection = await firstValueFrom(alice.connect$(await firstValueFrom(bob.unl$)));
  const ignored = connection.openChannel('ignored');
  ignored.send('x'.repeat(1_000_000));

  // The file waits for the chat, and not the other way round.
  const sending = connection.openChannel('file', { priority: 'bulk' });
  const chat = connection.openChannel('chat', { priority: 'urgent' });
  for (let at = 0; at < FILE.length; at += 1_000_000) sending.sendMessage(FILE.subarray(at, at + 1_000_000));
  sending.close();

  const answers = lastValueFrom(chat.lines$.pipe(take(3), toArray()));
  for (const text of ['hello', 'how are you', 'goodbye']) chat.send(text);
  for (const text of await answers) console.log(`Bob says: ${text}`);
  console.log(`The file has arrived ${(await file) === digestOf(FILE) ? 'whole' : 'broken'}`);

  const refused = await lastValueFrom(connection.openChannel('unknown').closed$);
  console.log(`A channel of another name is ${refused.code}`);
  ignored.reset();
  answering.unsubscribe();
  ignoring.unsubscribe();
} finally {
  await Promise.all([alice.close(), bob.close()]);
}
