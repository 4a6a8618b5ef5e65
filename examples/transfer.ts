// Sends a file to a peer: as bytes over a channel, with its name and size before it, and an answer behind it.
//
//   npm run transfer [FILE]
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { firstValueFrom, mergeMap, type Observable } from 'rxjs';
import { createNet, type Channel, type Connection } from 'rxp2p';

const [, , file = fileURLToPath(new URL('../../package-lock.json', import.meta.url))] = process.argv;

/** What the receiver has to say about a file before and after it comes. */
interface Receiver {
  /** Whether the file is wanted. */
  offer(name: string, size: number): Promise<boolean>;
  /** Of the file that has come last: a digest of its bytes. */
  digest(name: string): Promise<string>;
}

const alice = createNet({ mode: 'direct', bind: '127.0.0.2' });
const bob = createNet({ mode: 'direct', bind: '127.0.0.3' });
const folder = await mkdtemp(join(tmpdir(), 'rxp2p-'));

/** Passes bytes on, and hashes them. */
function hashing(hash: ReturnType<typeof createHash>): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
}

/** Writes what comes on a channel to a file. Emits its digest. */
async function receive(channel: Channel, name: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(channel.toDuplex(), hashing(hash), createWriteStream(join(folder, basename(name))));
  return hash.digest('hex');
}

/** Bob's part, for each who asks. */
function receiverFor(connection: Connection): Receiver {
  const digests = new Map<string, Promise<string>>();
  return {
    offer: (name, size) => {
      const channel$: Observable<Channel> = connection.channels$(`file ${name}`);
      digests.set(name, firstValueFrom(channel$.pipe(mergeMap((channel) => receive(channel, name)))));
      return Promise.resolve(size < 1_000_000_000);
    },
    digest: (name) => digests.get(name) ?? Promise.reject(new Error('No such file was offered')),
  };
}

try {
  bob.expose<Receiver>(receiverFor, { as: 'receiver' });
  const connection = await firstValueFrom(alice.connect$(await firstValueFrom(bob.unl$)));
  const receiver = connection.remote<Receiver>('receiver');

  const name = basename(file);
  const { size } = await stat(file);
  if (!(await firstValueFrom(receiver.offer(name, size)))) throw new Error('Bob does not want it');

  const hash = createHash('sha256');
  const stream = connection.openChannel(`file ${name}`, { priority: 'bulk' }).toDuplex();
  createReadStream(file).pipe(hashing(hash)).pipe(stream);
  await once(stream.resume(), 'close');
  const arrived = await firstValueFrom(receiver.digest(name));
  console.log(`${name}: ${size} bytes, ${arrived === hash.digest('hex') ? 'the same on both sides' : 'broken'}`);
} finally {
  await Promise.all([alice.close(), bob.close()]);
  await rm(folder, { recursive: true });
}
