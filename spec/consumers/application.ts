/** An application's own program: channels, remote Observables and a server, in types and when run. */
export const APPLICATION = `
import { firstValueFrom, of, toArray, type Observable } from 'rxjs';
import { createNet, type Channel, type Connection, type Net, type NetConfig } from 'rxp2p';
import { rendezvousServer$, type RendezvousServer } from 'rxp2p/servers';

interface Market {
  prices(symbol: string): Observable<number>;
}

async function main(): Promise<void> {
  const server = await new Promise<RendezvousServer>((resolve, reject) => {
    rendezvousServer$({ bind: '127.0.0.1', port: 0 }).subscribe({ next: resolve, error: reject });
  });
  const config: NetConfig = { mode: 'direct', rendezvous: [\`127.0.0.1:\${server.local.port}\`] };
  const alice: Net = createNet({ ...config, bind: '127.0.0.2' });
  const bob: Net = createNet({ ...config, bind: '127.0.0.3' });
  bob.expose<Market>({ prices: (symbol) => of(symbol.length, 7) }, { as: 'market' });
  const heard = firstValueFrom(bob.lines$);
  const connection: Connection = await firstValueFrom(alice.connect$(await firstValueFrom(bob.unl$)));
  const channel: Channel = connection.openChannel('chat');
  channel.close();
  connection.send('hello');
  const prices = await firstValueFrom(connection.remote<Market>('market').prices('ACME').pipe(toArray()));
  console.log(\`\${(await heard).text} \${prices.join(',')}\`);
  await Promise.all([alice.close(), bob.close()]);
  process.exit();
}

void main();
`;

/** What it prints. */
export const EXPECTED = 'hello 4,7';
