import { createIdentity, formatUnl } from '../../../lib/index.js';
import { memoryStore } from '../../../servers/store/memory.js';
import { Lab, newAddress } from '../../support/nodes.js';
import { LineClient } from '../../support/line-client.js';
import { proveLine } from '../../support/proof.js';

describe('A rendezvous server', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  async function clientOf(server: Awaited<ReturnType<Lab['server']>>, at = newAddress()): Promise<LineClient> {
    const client = await LineClient.to(server.local, at);
    lab.onClose(() => client.socket.destroy());
    return client;
  }

  const LINES = ['PASSIVE READY 44444 10', 'SOURCE TCP'];

  it('does nothing that a page has put behind a request of HTTP', async () => {
    const server = await lab.server();
    for (const version of ['HTTP/1.1', 'HTTP/1.0']) {
      const browser = await clientOf(server);
      browser.say(`POST /?a=b ${version}`, `Host: 127.0.0.1:${server.local.port}`, '', ...LINES);
      expect(await browser.heard()).toMatch(/^REFUSED malformed /);
      await browser.closed();
      expect(browser.unheard).toBe(0);
    }
    const other = await clientOf(server);
    expect(await other.ask('BOOTSTRAP 5')).toBe('NODES EMPTY');
    const node = await clientOf(server);
    node.say(...LINES);
    await node.heard();
    expect(await other.ask('BOOTSTRAP 5')).toMatch(/^NODES p:127/);
  });

  it('goes on when its store has what no server has put there', async () => {
    const store = memoryStore({ maxEntries: 100, now: Date.now, random: Math.random });
    const server = await lab.server({ store });
    const address = newAddress();
    const [alice, bob] = [createIdentity(), createIdentity()];
    const unl = formatUnl({
      version: 3,
      peerId: bob.peerId,
      nodeType: 'passive',
      natType: { type: 'open' },
      endpoints: [],
      rendezvous: [],
      mailboxes: [],
      dht: [],
      mqtt: [],
      extensions: [],
    });
    for (const text of ['', 'a b', 'a:b', '1.2.3', '127.1 1', 'fe80::1%x 5', '127.0.0.1\n 4']) {
      void store.put('passive', text, text, 60_000);
      void store.put('unls', `${text} 4`, `${unl} ${text}`, 60_000);
      const candidate = JSON.stringify({ ports: [1], isTold: false });
      void store.put('candidates', `${address} ${text}`, candidate, 60_000);
    }
    const client = await clientOf(server, address);
    expect(await client.ask('BOOTSTRAP 100')).toBe('NODES EMPTY');
    client.say('SIMULTANEOUS READY 0 0');
    expect(await client.ask('PING')).toBe('PONG');
    const other = await clientOf(server);
    expect(await other.ask(`CANDIDATE ${address} TCP 1 2 3`)).toBe('PREDICTION SET');
    const [, nonce = ''] = (await other.ask('HELLO 2')).split(' ');
    expect(await other.ask(proveLine(other, alice, nonce))).toBe('WELCOME');
    expect(await other.ask('UNLS a 100')).toBe('LISTED a');
  });
});
