// The main job in one go: servers, and two nodes in processes of their own that find each other, connect by UNL over an
// encrypted link whose peer is proven, and exchange lines. Exits 0 only when both lines have arrived.
//
//   npm run demo
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { firstValueFrom, timer } from 'rxjs';
import { createNet } from 'rxp2p';
import { serve$ } from 'rxp2p/servers';

/** Longer than any machine needs: the demo must not hang where something is wrong. */
const LIMIT_MS = 90_000;

const [role, rendezvous = '', unl = ''] = process.argv.slice(2);
const fail = (error: unknown) => {
  console.error(`${(role ?? 'demo').padEnd(9)}${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
};

if (role === 'alice') await alice().catch(fail);
else if (role === 'bob') await bob().catch(fail);
else everything();

/** Starts the servers, Bob, and Alice with Bob's locator; is content when both have left content. */
function everything(): void {
  const limit = timer(LIMIT_MS).subscribe(() => {
    console.log('demo     something is wrong: it took too long');
    process.exit(1);
  });
  const servers = serve$({ bind: '127.0.0.1', port: 0, httpPort: 0 }).subscribe({
    next: ({ endpoints }) => {
      for (const { name, local } of endpoints) console.log(`servers  ${name} on ${local.address}:${local.port}`);
      const port = endpoints.find(({ name }) => name === 'rendezvous')?.local.port ?? 0;
      nodes(`127.0.0.1:${port}`).then((content) => {
        console.log(content ? 'demo     both lines arrived' : 'demo     FAILED: a line did not arrive');
        process.exitCode = content ? 0 : 1;
        servers.unsubscribe();
        limit.unsubscribe();
      }, fail);
    },
    error: fail,
  });
}

async function nodes(server: string): Promise<boolean> {
  const bobProcess = fork(process.argv[1] ?? '', ['bob', server]);
  const said: unknown[] = await Promise.race([once(bobProcess, 'message'), once(bobProcess, 'exit').then(() => [])]);
  if (typeof said[0] !== 'string') return false;
  const aliceProcess = fork(process.argv[1] ?? '', ['alice', server, said[0]]);
  const codes: unknown[][] = await Promise.all([once(aliceProcess, 'exit'), once(bobProcess, 'exit')]);
  return codes.every(([code]) => code === 0);
}

/** Waits to be connected to, answers the first line, and leaves when the connection is closed. */
async function bob(): Promise<void> {
  const net = createNet({ mode: 'direct', bind: '127.0.0.3', rendezvous: [rendezvous] });
  const own = await firstValueFrom(net.unl$);
  console.log(`bob      process ${process.pid}, listening on 127.0.0.3, locator ${own}`);
  process.send?.(own);

  const connection = await firstValueFrom(net.connections$);
  console.log(`bob      a peer connected and proved to be ${connection.peerId}`);
  const text = await firstValueFrom(connection.lines$);
  console.log(`bob      received "${text}"`);
  connection.send('Sup Alice.');
  process.exitCode = text === 'Sup Bob.' ? 0 : 1;
  await firstValueFrom(connection.closed$);
  await net.close();
  process.disconnect();
}

/** Connects by Bob's locator, says hello, waits for his answer, and closes. */
async function alice(): Promise<void> {
  const net = createNet({ mode: 'direct', bind: '127.0.0.2', rendezvous: [rendezvous] });
  console.log(`alice    process ${process.pid}, connecting to the locator`);
  await firstValueFrom(net.unl$);
  const connection = await firstValueFrom(net.connect$(unl));
  console.log(`alice    connected: the link is TLS 1.3, and the peer proved to be ${connection.peerId}`);
  const { technique, direct } = await firstValueFrom(connection.path$);
  console.log(`alice    the lines go ${direct ? 'directly' : 'by a relay'} (${technique})`);
  connection.send('Sup Bob.');
  const text = await firstValueFrom(connection.lines$);
  console.log(`alice    received "${text}"`);
  process.exitCode = text === 'Sup Alice.' ? 0 : 1;
  await net.close();
}
