import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { filter, firstValueFrom, map, tap, type Observable } from 'rxjs';
import { createNet, type Net } from '../../lib/index.js';
import type { DialConfig, ListenConfig, Listener } from '../../lib/link/tcp.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { rendezvousServer$ } from '../../servers/index.js';
import { impatient } from '../support/impatient.js';
import { LineClient } from '../support/line-client.js';
import { sealVersion2 } from '../support/locators.js';
import { addressBehind, Lab, newAddress, publicNameOf } from '../support/nodes.js';

/** Milliseconds since the epoch, for as long as the specs last. */
const NOW = 1_700_000_000_000;

/** The wait for the meeting, in milliseconds: there is no time here for it. */
const MEETING_MS = 3_000;

/** The real runtime, but for the address under which others are seen, and the time. */
const disguised: Runtime = {
  ...systemRuntime,
  scheduler: impatient({ [MEETING_MS]: 1 }),
  timeOfDay: () => NOW,
  dial$: ({ host, ...rest }: DialConfig) => systemRuntime.dial$({ host: addressBehind(host), ...rest }),
  listen$: (config: ListenConfig): Observable<Listener> =>
    systemRuntime.listen$(config).pipe(
      map(({ local, socket$ }) => ({
        local,
        socket$: socket$.pipe(
          tap((socket) => {
            Object.defineProperty(socket, 'remoteAddress', { value: publicNameOf(socket.remoteAddress ?? '') });
          }),
        ),
      })),
    ),
};

/** Connects from one port to another, again and again until it succeeds: PyP2P's blow, at a node without a NAT. */
async function punch(from: string, fromPort: number, to: string, toPort: number): Promise<Socket> {
  for (;;) {
    const socket = connect({ localAddress: from, localPort: fromPort, host: addressBehind(to), port: toPort });
    try {
      await once(socket, 'connect');
      return socket;
    } catch {
      socket.destroy();
    }
  }
}

/** The four ports and the time in a line, by hand. */
function readLine(pattern: RegExp, line: string): { readonly ports: readonly number[]; readonly ntp: number } {
  const groups = pattern.exec(line)?.groups;
  if (groups === undefined) throw new Error(`Expected ${String(pattern)}, got ${line}`);
  return { ports: (groups['ports'] ?? '').split(' ').map(Number), ntp: Number(groups['ntp']) };
}

describe('A plain net and a node that speaks PyP2P’s challenge by hand', () => {
  const lab = new Lab();
  const nets: Net[] = [];
  afterEach(async () => {
    await Promise.all(nets.splice(0).map((net) => net.close(200)));
    await lab.close();
  });

  async function start() {
    const { local } = await new Promise<{ readonly local: { readonly address: string; readonly port: number } }>(
      (resolve, reject) => {
        const server$ = rendezvousServer$({ bind: '127.0.0.1', port: 0 }, disguised);
        lab.use(server$.subscribe({ next: resolve, error: reject }));
      },
    );
    const [bind, address] = [newAddress(), newAddress()];
    const rendezvous = [`127.0.0.1:${local.port}`];
    // Another wait, so as not to be taken for that for the meeting.
    const timing = { gatherMs: 2 * MEETING_MS };
    const plain = { mode: 'direct', security: 'plain', portMapping: false } as const;
    const net = createNet({ ...plain, bind, rendezvous, timing }, disguised);
    nets.push(net);
    const pyp2p = await LineClient.to(local, address);
    lab.onClose(() => pyp2p.socket.destroy());
    return { net, netAddress: publicNameOf(bind), address, pyp2p };
  }

  it('meet when the node is the candidate', async () => {
    const { net, netAddress, address, pyp2p } = await start();
    const unl = Buffer.from(await firstValueFrom(net.unl$), 'base64');
    // Simultaneous, preserving; and where the server sees it, least byte first.
    expect(unl.toString('latin1', 21, 23)).toBe('sg');
    expect([...unl.subarray(26, 30)].reverse().join('.')).toBe(netAddress);

    // A server says nothing to a candidate for somebody who is not listed yet.
    const ask = async () => {
      pyp2p.say(`CANDIDATE ${netAddress} TCP 17001 17002 17003 17004`, 'SOURCE TCP 17000');
      return [await pyp2p.heard()];
    };
    let heard = await ask();
    while (/^REMOTE TCP [0-9]+$/.test(heard[0] ?? '')) heard = await ask();
    expect(heard).toEqual(['PREDICTION SET']);
    const lines = [await pyp2p.heard(), await pyp2p.heard()].sort();
    expect(lines[1]).toMatch(/^REMOTE TCP [0-9]+$/);
    const fight = /^FIGHT (?<ip>[0-9.]+) (?<ports>[0-9]+ [0-9]+ [0-9]+ [0-9]+) TCP (?<ntp>[0-9]+(?:[.][0-9]+)?)$/;
    expect(fight.exec(lines[0] ?? '')?.groups?.['ip']).toBe(netAddress);
    const { ports, ntp } = readLine(fight, lines[0] ?? '');
    expect(ntp + 6)
      .withContext('when both begin')
      .toBe((NOW + MEETING_MS) / 1000);

    const line = firstValueFrom(net.lines$);
    const socket = await punch(address, 17_001, netAddress, ports[0] ?? 0);
    const client = new LineClient(socket);
    lab.onClose(() => socket.destroy());
    socket.write(`${'0'.repeat(64)}hello\r\n`);
    const { connection, text } = await line;
    expect([text, connection.direction]).toEqual(['hello', 'inbound']);
    connection.send('hello yourself');
    expect(await client.heard()).toBe('hello yourself');
    expect((await firstValueFrom(connection.path$)).technique).toBe('challenge');
  });

  it('meet when the net dials the node by its locator', async () => {
    const { net, netAddress, address, pyp2p } = await start();
    pyp2p.say('SIMULTANEOUS READY 0 0');
    expect(await pyp2p.ask('SOURCE TCP 18000')).toMatch(/^REMOTE TCP [0-9]+$/);
    const wan = publicNameOf(address).split('.').map(Number).reverse();
    // node id, `s`imultaneous, preservin`g`, `m`anual, port 50500, WAN and LAN address
    const record = [...Buffer.alloc(20), ...Buffer.from('sgm'), 0x44, 0xc5, ...wan, 2, 0, 1, 10];
    const connecting = firstValueFrom(net.connect$(sealVersion2(Buffer.from(record))));
    connecting.catch(() => undefined);

    const asked = await pyp2p.heard();
    const challenge = /^CHALLENGE (?<ip>[0-9.]+) (?<ports>[0-9]+ [0-9]+ [0-9]+ [0-9]+) TCP$/;
    expect(challenge.exec(asked)?.groups?.['ip']).toBe(netAddress);
    const { ports } = readLine(challenge, asked);
    // The node's clock is 6 s slow, so that they begin at once.
    pyp2p.say(`ACCEPT ${netAddress} 18001 18002 18003 18004 TCP ${NOW / 1000 - 6}.25`);
    // Like PyP2P's nodes it connects from one port after the other; of its four sockets it keeps one, not the first that opened here.
    const sockets: Socket[] = [];
    for (const [index, port] of ports.entries()) sockets.push(await punch(address, 18_001 + index, netAddress, port));
    for (const each of sockets) lab.onClose(() => each.destroy());
    const socket = sockets[2] ?? new Socket();
    for (const other of sockets) if (other !== socket) other.destroy();
    const raw = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += String(chunk);
        if (text.endsWith('\r\n')) resolve(text);
      });
    });
    const connection = await connecting;
    connection.send('hello');
    expect(await raw).toBe(`${'0'.repeat(64)}hello\r\n`);
    const line = firstValueFrom(connection.lines$);
    socket.write('hello yourself\r\n');
    expect(await line).toBe('hello yourself');
    expect((await firstValueFrom(connection.path$)).technique).toBe('challenge');
    const again = await firstValueFrom(net.connections$.pipe(filter(({ direction }) => direction === 'outbound')));
    expect(again).withContext('known by its locator').toBe(connection);
  });
});
