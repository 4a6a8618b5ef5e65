import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { filter, firstValueFrom, map, take, toArray } from 'rxjs';
import { createIdentity, InvalidOptionError, type Net, type NetStatus } from '../../lib/index.js';
import { parseUnl } from '../../lib/unl.js';
import { unwatched } from '../../servers/watch.js';
import { temporaryFolder } from '../support/folder.js';
import { addressOf, failureOf, Lab, newAddress } from '../support/nodes.js';
import { needsProgram, Proxies } from '../support/proxies.js';
import { serveAll } from '../support/servers.js';
import { thrownBy } from '../support/thrown.js';
import { putCertificate, webCertificate, type WebCertificate } from '../support/web-certificate.js';
import { freeEndpoint } from '../support/free-port.js';

describe('Rendezvous that is encrypted', () => {
  const lab = new Lab();
  const proxies = new Proxies();
  const file = temporaryFolder();
  let certificate: WebCertificate;
  beforeAll(() => {
    certificate = webCertificate('localhost', '127.0.0.1');
  });
  afterEach(async () => {
    await proxies.close();
    await lab.close();
  });

  /** The first status in which something is so. */
  const statusOf = (net: Net, isSo: (status: NetStatus) => boolean) => firstValueFrom(net.status$.pipe(filter(isSo)));

  const connected = (net: Net) => statusOf(net, ({ servers }) => servers.every((server) => server.connected));

  /** Why a node has no session with its server. */
  const failing = async (net: Net) => {
    await net.start();
    const { servers } = await statusOf(net, (status) => status.servers.some(({ failure }) => failure !== undefined));
    return servers[0]?.failure;
  };

  /** Has two nodes exchange a line, with nothing but these servers. */
  async function exchange(rendezvous: string, options: { readonly ca?: string } = {}): Promise<Net> {
    // Neither can be dialled at first, so that they need the servers.
    const [net, peer] = [
      lab.net({ rendezvous: [rendezvous], ...options }),
      lab.net({ rendezvous: [rendezvous], ...options }),
    ];
    await Promise.all([net.start(), peer.start()]);
    await Promise.all([connected(net), connected(peer)]);
    const unl = await firstValueFrom(peer.unl$);
    const heard = firstValueFrom(peer.lines$.pipe(map(({ text }) => text)));
    const connection = await firstValueFrom(net.connect$(unl));
    connection.send('hello');
    expect(await heard).toBe('hello');
    return peer;
  }

  /** A server that answers like no rendezvous server of ours, and keeps all that it is told. */
  async function listening(): Promise<{ readonly port: number; readonly heard: string[] }> {
    const heard: string[] = [];
    const server = createServer((socket: Socket) => {
      socket.on('error', () => undefined).on('data', (chunk) => heard.push(chunk.toString('latin1')));
      lab.onClose(() => socket.destroy());
      socket.write('NONCE CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk 127.0.0.1:4000\r\n');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    return { port: addressOf(server).port, heard };
  }

  it('by wss:, with the mailbox and the relay below the same URL', async () => {
    const gauges = new Map<string, () => number>();
    const gauge = (name: string, read: () => number) => {
      gauges.set(name, read);
      return () => undefined;
    };
    const { http } = await serveAll(lab, {
      tls: putCertificate(file, certificate),
      watch: { ...unwatched, gauge },
    });
    const server = `wss://localhost:${http.port}`;
    const peer = await exchange(server, { ca: certificate.cert });
    const unl = parseUnl(await firstValueFrom(peer.unl$));
    if (unl.version !== 3) throw new Error('Expected version 3');
    expect(unl.rendezvous).toEqual([{ host: 'localhost', port: http.port, url: `${server}/` }]);
    expect(unl.mailboxes).toEqual([]);
    // Its poll is under way, or soon.
    while ((gauges.get('mailboxPolls')?.() ?? 0) === 0) await new Promise(setImmediate);
    const net = lab.net({ rendezvous: [server], ca: certificate.cert });
    await net.start();
    await connected(net);
    const relayed = await firstValueFrom(net.connect$(await firstValueFrom(peer.unl$), { techniques: ['relay'] }));
    expect(await firstValueFrom(relayed.path$)).toEqual(
      jasmine.objectContaining({ technique: 'relay', direct: false }),
    );
  });

  it('by ws:, for a proxy of one’s own that has the certificate', async () => {
    const { http } = await serveAll(lab);
    await exchange(`ws://127.0.0.1:${http.port}`);
  });

  it('by wss: through nginx, below a path', async () => {
    needsProgram('nginx');
    const { http } = await serveAll(lab, { trustProxy: ['127.0.0.1'], hosts: ['localhost'] });
    const at = await freeEndpoint();
    const files = putCertificate(file, certificate);
    const listen = `listen 127.0.0.1:${at.port} ssl; ssl_certificate ${files.certFile}; ssl_certificate_key ${files.keyFile};`;
    const pass = `proxy_pass http://127.0.0.1:${http.port}/; proxy_http_version 1.1; proxy_set_header Host localhost;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`;
    const upgrade = "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }";
    await proxies.nginx(at, () => `${upgrade} server { ${listen} location /p2p/ { ${pass} } }`);
    const net = lab.net({ rendezvous: [`wss://localhost:${at.port}/p2p`], ca: certificate.cert });
    await net.start();
    // nginx listens at a port of the spec, which is not among the server's names.
    expect(await failing(net)).toMatch(/does not know itself as localhost:/);
  });

  it('by the server’s own key', async () => {
    const identity = createIdentity();
    const { rendezvous } = await serveAll(lab, { identity });
    const server = `rxp2p://${identity.peerId}@127.0.0.1:${rendezvous.port}`;
    const peer = await exchange(server);
    const unl = parseUnl(await firstValueFrom(peer.unl$));
    expect(unl.version === 3 && unl.rendezvous).toEqual([
      { host: '127.0.0.1', port: rendezvous.port, key: identity.peerId },
    ]);
    const { natType } = await statusOf(peer, (status) => status.natType.type !== 'unknown');
    expect(natType).toEqual({ type: 'open' });
  });

  it('ends where the server proves another key', async () => {
    const { rendezvous } = await serveAll(lab, { identity: createIdentity() });
    const { peerId } = createIdentity();
    const net = lab.net({ rendezvous: [`rxp2p://${peerId}@127.0.0.1:${rendezvous.port}`] });
    expect(await failing(net)).toMatch(/proved another key/);
  });

  it('ends where no TLS is spoken at the port, and says that', async () => {
    const { rendezvous } = await serveAll(lab, {});
    const net = lab.net({ rendezvous: [`wss://127.0.0.1:${rendezvous.port}`] });
    expect(await failing(net)).toMatch(
      /TLS with 127\.0\.0\.1 failed: (no TLS is spoken at that port|it closed the connection)/,
    );
  });

  it('ends where an authority has not signed for the server, or for another name', async () => {
    const { http } = await serveAll(lab, { tls: putCertificate(file, certificate) });
    const unknown = lab.net({ rendezvous: [`wss://localhost:${http.port}`] });
    expect(await failing(unknown)).toMatch(/TLS with localhost failed: self-signed certificate.* \(`ca`, --ca, /);
    const bind = newAddress();
    const { http: elsewhere } = await serveAll(lab, { bind, tls: putCertificate(file, certificate) });
    const other = lab.net({ rendezvous: [`wss://${bind}:${elsewhere.port}`], ca: certificate.cert });
    expect(await failing(other)).toMatch(/does not match certificate's altnames/);
  });

  it('never falls back to plain lines: nothing is said to a server that speaks no TLS', async () => {
    const { port, heard } = await listening();
    for (const server of [`rxp2p://${createIdentity().peerId}@127.0.0.1:${port}`, `wss://127.0.0.1:${port}`]) {
      const net = lab.net({ rendezvous: [server], timing: { handshakeMs: 300 } });
      const tries = net.trace$.pipe(
        filter((event) => event.type === 'rendezvous' && event.state === 'lost'),
        take(3),
        toArray(),
      );
      const lost = firstValueFrom(tries);
      await net.start();
      await lost;
      expect(heard.filter((text) => /HELLO|PROVE|GET/.test(text))).toEqual([]);
      expect(heard.length).toBeGreaterThan(0);
    }
  });

  it('is refused in plain mode, whose nodes have no TLS', () => {
    const plain = { mode: 'direct', security: 'plain', rendezvous: ['wss://rv.example.org'] } as const;
    expect(thrownBy(() => lab.net(plain))).toBeInstanceOf(InvalidOptionError);
    expect(thrownBy(() => lab.net({ ca: 'no certificate' }))).toBeInstanceOf(InvalidOptionError);
  });

  it('fails in words when there is no WebSocket', async () => {
    const { http } = await serveAll(lab, { relay: false });
    const net = lab.net({ rendezvous: [`ws://127.0.0.1:${http.port}`], ca: certificate.cert });
    await net.start();
    await connected(net);
    const { rendezvous } = await serveAll(lab);
    const wrong = lab.net({ rendezvous: [`ws://127.0.0.1:${rendezvous.port}`], timing: { handshakeMs: 5_000 } });
    // It refuses requests of HTTP in the words of its own protocol.
    expect(await failing(wrong)).toMatch(/cannot be spoken to by WebSocket/);
    const never = wrong.connect$('');
    expect(await failureOf(never)).toBeDefined();
  });
});
