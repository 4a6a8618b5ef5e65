import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createHmac } from 'node:crypto';
import { firstValueFrom, Subject, take, toArray, type Observable } from 'rxjs';
import { DialError, TimeoutError } from '../../../lib/errors.js';
import { webTlsBy } from '../../../lib/link/web-tls.js';
import { systemRuntime, type Runtime } from '../../../lib/runtime.js';
import { decodeStun, encodeStun } from '../../../lib/stun/messages.js';
import { connectionId } from '../../../lib/stun/turn.js';
import type { TurnServer } from '../../../lib/stun/turn-name.js';
import { allocate$, type Allocation } from '../../../lib/techniques/turn/allocation.js';
import { TurnRefusedError } from '../../../lib/techniques/turn/session.js';
import { VirtualClock } from '../../connection/virtual-links.js';
import { temporaryFolder } from '../../support/folder.js';
import { addressOf, failureOf, Lab, newAddress } from '../../support/nodes.js';
import { coturn, needsCoturn } from '../../support/stun.js';
import { FakeTurn } from '../../support/turn.js';
import { putCertificate, webCertificate } from '../../support/web-certificate.js';

const config = (runtime: Partial<Runtime> = {}, timeoutMs = 10_000) => ({
  localAddress: '127.0.0.1',
  family: 4 as const,
  timeoutMs,
  runtime: { ...systemRuntime, ...runtime },
});

/** Holds an allocation until it is told to give it back. */
async function held(
  allocation$: Observable<Allocation>,
): Promise<{ readonly allocation: Allocation; release: () => void }> {
  return new Promise((resolve, reject) => {
    const holding = allocation$.subscribe({
      next: (allocation) => {
        resolve({
          allocation,
          release: () => {
            holding.unsubscribe();
          },
        });
      },
      error: reject,
    });
  });
}

/** However it closes. */
const closingOf = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

describe('an allocation at a TURN server', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  it('is asked for with the credentials that the server wants, kept, and given back', async () => {
    const clock = new VirtualClock();
    const fake = await FakeTurn.start(lab);
    const { allocation, release } = await held(allocate$(fake.server, config({ scheduler: clock })));
    expect(allocation.relayed).toEqual(fake.relayed);
    expect(fake.heard).toEqual(['allocate', 'allocate']);

    const refreshed = once(fake.control, 'data');
    clock.pass(300_000);
    await refreshed;
    const closed = closingOf(fake.control);
    release();
    await closed;
    expect(fake.heard).toEqual(['allocate', 'allocate', 'refresh', 'refresh']);
    expect(fake.lifetimes).toEqual([600, 600, 600, 0]);
  });

  it('lets in addresses, and says so again before they are forgotten', async () => {
    const clock = new VirtualClock();
    const fake = await FakeTurn.start(lab);
    const { allocation } = await held(allocate$(fake.server, config({ scheduler: clock })));
    const times = firstValueFrom(allocation.permit$('192.0.2.7').pipe(take(2), toArray()));
    await firstValueFrom(allocation.permit$('192.0.2.8'));
    clock.pass(240_000);
    expect(await times).toHaveSize(2);
    expect(fake.heard.filter((each) => each === 'createPermission')).toHaveSize(3);
  });

  it('goes on with a new nonce', async () => {
    const fake = await FakeTurn.start(lab);
    const { allocation } = await held(allocate$(fake.server, config()));
    fake.nonce = 'nonce-2';
    await firstValueFrom(allocation.permit$('192.0.2.7'));
    expect(fake.heard).toEqual(['allocate', 'allocate', 'createPermission', 'createPermission']);
  });

  it('hands over what peers send from their first byte on, and tells where the server sees them', async () => {
    const fake = await FakeTurn.start(lab);
    fake.greeting = Buffer.from('hello');
    const { allocation } = await held(allocate$(fake.server, config()));
    const arrival = firstValueFrom(allocation.arrival$);
    fake.announce(Buffer.of(1, 2, 3, 4), { address: '192.0.2.77', port: 40_000 });
    const { socket: peer, seenAt } = await arrival;
    expect(seenAt).toBe('192.0.2.77');
    lab.onClose(() => peer.destroy());
    expect(String(await once(peer.resume(), 'data'))).toBe('hello');
    expect(fake.sockets).toHaveSize(2);
  });

  it('takes a few connections at once, however many the server announces', async () => {
    const fake = await FakeTurn.start(lab);
    fake.instead = (name) => (name === 'connectionBind' ? Buffer.alloc(0) : undefined);
    const { allocation } = await held(allocate$(fake.server, config()));
    lab.use(allocation.arrival$.subscribe());
    for (let i = 0; i < 100; i++) fake.announce(Buffer.of(0, 0, 0, i));
    // Whatever was announced has been dealt with before the answer to what is asked now.
    await firstValueFrom(allocation.permit$('192.0.2.7'));
    while (fake.sockets.length < 5) await new Promise(setImmediate);
    await firstValueFrom(allocation.permit$('192.0.2.7'));
    expect(fake.sockets).toHaveSize(5);
  });

  describe('that dials a peer', () => {
    const PEER = { address: '192.0.2.9', port: 4_000 };

    it('hands over what the peer sends from its first byte on', async () => {
      const fake = await FakeTurn.start(lab);
      fake.greeting = Buffer.from('hello');
      const { allocation } = await held(allocate$(fake.server, config()));
      const peer = await firstValueFrom(allocation.connect$(PEER));
      lab.onClose(() => peer.destroy());
      expect(String(await once(peer.resume(), 'data'))).toBe('hello');
      // The first request of an allocation tells the nonce, which holds for all others.
      expect(fake.dialled).toEqual([PEER]);
      expect(fake.heard.slice(2)).toEqual(['connect', 'connectionBind']);
      expect(fake.sockets).toHaveSize(2);
    });

    it('goes on with a new nonce', async () => {
      const fake = await FakeTurn.start(lab);
      const { allocation } = await held(allocate$(fake.server, config()));
      fake.nonce = 'nonce-2';
      const peer = await firstValueFrom(allocation.connect$(PEER));
      peer.destroy();
      expect(fake.heard.slice(2)).toEqual(['connect', 'connect', 'connectionBind']);
    });

    for (const [code, words] of [
      [403, /does not relay to this address/],
      [446, /has a connection to this endpoint/],
      [447, /cannot connect to this endpoint/],
    ] as const)
      it(`fails with words where the server refuses with ${code}, and listens on`, async () => {
        const fake = await FakeTurn.start(lab);
        const { allocation } = await held(allocate$(fake.server, config()));
        fake.refusal = (method) => (method === 'connect' ? code : undefined);
        const failure = await failureOf(allocation.connect$(PEER));
        expect(failure).toBeInstanceOf(TurnRefusedError);
        expect(failure).toEqual(jasmine.objectContaining({ refusal: code, message: jasmine.stringMatching(words) }));
        await firstValueFrom(allocation.permit$('192.0.2.7'));
        expect(fake.sockets).toHaveSize(1);
      });

    it('fails where the server does not name the connection', async () => {
      const fake = await FakeTurn.start(lab);
      const { allocation } = await held(allocate$(fake.server, config()));
      for (const connection of [Buffer.alloc(0), Buffer.of(1, 2, 3), Buffer.alloc(8)]) {
        fake.connection = connection;
        const failure = await failureOf(allocation.connect$(PEER));
        expect(failure).toEqual(jasmine.objectContaining({ message: jasmine.stringMatching(/does not name/) }));
      }
      expect(fake.sockets).toHaveSize(1);
    });

    it('fails with the answer of somebody who does not know the password', async () => {
      const fake = await FakeTurn.start(lab);
      const { allocation } = await held(allocate$(fake.server, config()));
      fake.instead = (name, request) =>
        name === 'connect'
          ? encodeStun({ ...request, class: 'success', attributes: [connectionId(Buffer.of(1, 2, 3, 4))] })
          : undefined;
      const failure = await failureOf(allocation.connect$(PEER));
      expect(failure).toEqual(jasmine.objectContaining({ message: jasmine.stringMatching(/does not prove/) }));
      expect(fake.sockets).toHaveSize(1);
    });

    it('fails where the server is silent about it, and where it sends something else on the new connection', async () => {
      const fake = await FakeTurn.start(lab);
      const clock = new VirtualClock();
      const { allocation } = await held(allocate$(fake.server, config({ scheduler: clock })));
      fake.instead = (name) => (name === 'connect' ? Buffer.alloc(0) : undefined);
      const silence = failureOf(allocation.connect$(PEER));
      while (!fake.heard.includes('connect')) await new Promise(setImmediate);
      clock.pass(10_000);
      expect(await silence).toBeInstanceOf(TimeoutError);
      fake.instead = (name) =>
        name === 'connectionBind' ? Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n') : undefined;
      expect(await failureOf(allocation.connect$(PEER))).toEqual(jasmine.objectContaining({ code: 'PROTOCOL' }));
    });

    it('is given up without leaving a connection', async () => {
      const fake = await FakeTurn.start(lab);
      fake.instead = (name) => (name === 'connectionBind' ? Buffer.alloc(0) : undefined);
      const { allocation } = await held(allocate$(fake.server, config()));
      const connecting = allocation.connect$(PEER).subscribe();
      while (!fake.heard.includes('connectionBind')) await new Promise(setImmediate);
      const data = fake.sockets.at(-1);
      const closed = data && closingOf(data);
      connecting.unsubscribe();
      await closed;
      expect(fake.sockets.map(({ destroyed }) => destroyed)).toEqual([false, true]);
    });
  });

  for (const [code, words] of [
    [401, /the password is another/],
    [403, /does not relay to this address/],
    [437, /has an allocation/],
    [441, /belongs to another user/],
    [442, /relays no TCP/],
    [486, /as many allocations/],
    [508, /has no room/],
    [300, /where it does not go/],
  ] as const)
    it(`fails with words where the server refuses with ${code}`, async () => {
      const fake = await FakeTurn.start(lab);
      fake.refusal = () => code;
      const failure = await failureOf(allocate$(fake.server, config()));
      expect(failure).toBeInstanceOf(TurnRefusedError);
      expect(failure).toEqual(jasmine.objectContaining({ refusal: code, message: jasmine.stringMatching(words) }));
      // One connection more may help against 437 alone.
      expect(fake.sockets).toHaveSize(code === 437 ? 2 : 1);
    });

  it('fails where the server asks for one nonce after the other', async () => {
    const fake = await FakeTurn.start(lab);
    fake.refusal = () => 438;
    expect(await failureOf(allocate$(fake.server, config()))).toBeInstanceOf(TurnRefusedError);
    expect(fake.heard.length).toBeLessThan(6);
  });

  it('fails with the answer of somebody who does not know the password', async () => {
    const fake = await FakeTurn.start(lab);
    fake.instead = (_, request, answer) =>
      decodeStun(answer)?.class === 'success' ? encodeStun({ ...request, class: 'success' }) : undefined;
    const failure = await failureOf(allocate$(fake.server, config()));
    expect(failure).toEqual(jasmine.objectContaining({ message: jasmine.stringMatching(/does not prove/) }));
  });

  it('fails where the server does not say where it listens', async () => {
    const fake = await FakeTurn.start(lab);
    fake.relayed = { address: '192.0.2.1', port: 0 };
    const failure = await failureOf(allocate$(fake.server, config()));
    expect(failure).toEqual(jasmine.objectContaining({ message: jasmine.stringMatching(/does not say where/) }));
  });

  it('fails with a server that says nothing, and with one that is none', async () => {
    const fake = await FakeTurn.start(lab);
    fake.instead = () => Buffer.alloc(0);
    expect(await failureOf(allocate$(fake.server, config({}, 100)))).toBeInstanceOf(TimeoutError);
    fake.instead = () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n');
    expect(await failureOf(allocate$(fake.server, config()))).toEqual(jasmine.objectContaining({ code: 'PROTOCOL' }));
    const nobody: TurnServer = { ...fake.server, host: newAddress(), port: 1 };
    expect(await failureOf(allocate$(nobody, config()))).toBeInstanceOf(DialError);
  });

  it('ends with its connection', async () => {
    const fake = await FakeTurn.start(lab);
    const allocated = new Subject<Allocation>();
    const failure = failureOf(allocated);
    const there = firstValueFrom(allocated);
    allocate$(fake.server, config()).subscribe(allocated);
    await there;
    fake.control.destroy();
    expect(await failure).toEqual(jasmine.objectContaining({ code: 'CLOSED' }));
  });
});

describe('coturn as a TURN server', () => {
  const lab = new Lab();
  afterEach(() => lab.close());
  const file = temporaryFolder();
  const USERS = ['-a', '-u', 'alice:secret', '-r', 'example.org', '--allow-loopback-peers'];
  const credentials = () => ({ username: 'alice', credential: 'secret' });

  /** Dials an allocation, and has a text go each way. */
  async function exchange({ relayed, permit$, arrival$ }: Allocation, from = '127.0.0.1'): Promise<void> {
    lab.use(permit$(from).subscribe());
    await firstValueFrom(permit$(from));
    const arriving = firstValueFrom(arrival$);
    const peer = connect({ host: relayed.address, port: relayed.port, localAddress: from });
    lab.onClose(() => peer.destroy());
    peer.write('ping');
    const { socket, seenAt } = await arriving;
    expect(seenAt).toBe(from);
    lab.onClose(() => socket.destroy());
    expect(String(await once(socket.resume(), 'data'))).toBe('ping');
    socket.write('pong');
    expect(String(await once(peer, 'data'))).toBe('pong');
  }

  it('listens for a peer, by TCP and by TLS', async () => {
    needsCoturn();
    const certificate = webCertificate('127.0.0.1');
    const { certFile, keyFile } = putCertificate(file, certificate);
    const { port, tlsPort } = await coturn(lab, ['127.0.0.1'], ...USERS, '--cert', certFile, '--pkey', keyFile);
    const secured = config({ webTls$: webTlsBy(certificate.cert) });
    for (const server of [
      { host: '127.0.0.1', port, credentials },
      { host: '127.0.0.1', port: tlsPort, isSecure: true, credentials },
    ])
      await exchange((await held(allocate$(server, secured))).allocation);
  });

  it('turns away who is not let in', async () => {
    needsCoturn();
    const { port } = await coturn(lab, ['127.0.0.1'], ...USERS);
    const { allocation } = await held(allocate$({ host: '127.0.0.1', port, credentials }, config()));
    await firstValueFrom(allocation.permit$(newAddress()));
    const stranger = connect({ host: allocation.relayed.address, port: allocation.relayed.port });
    stranger.on('error', () => undefined);
    await closingOf(stranger.resume());
    await exchange(allocation);
  });

  it('dials a peer that listens, once at a time', async () => {
    needsCoturn();
    const { port } = await coturn(lab, ['127.0.0.1'], ...USERS);
    const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(0, newAddress());
    lab.onClose(() => server.close());
    await once(server, 'listening');
    const { allocation } = await held(allocate$({ host: '127.0.0.1', port, credentials }, config()));
    const peer = await firstValueFrom(allocation.connect$(addressOf(server)));
    lab.onClose(() => peer.destroy());
    peer.write('ping');
    expect(String(await once(peer.resume(), 'data'))).toBe('ping');
    const again = await failureOf(allocation.connect$(addressOf(server)));
    expect(again).toEqual(jasmine.objectContaining({ refusal: 446 }));
  });

  it('says that it cannot connect where nobody listens, and that it does not where it is not to', async () => {
    needsCoturn();
    const allocationAt = async (...options: string[]) => {
      const { port } = await coturn(lab, ['127.0.0.1'], ...USERS, ...options);
      return (await held(allocate$({ host: '127.0.0.1', port, credentials }, config()))).allocation;
    };
    const nobody = { address: newAddress(), port: 1 };
    const open = await allocationAt();
    expect(await failureOf(open.connect$(nobody))).toEqual(jasmine.objectContaining({ refusal: 447 }));
    const closed = await allocationAt('--denied-peer-ip', nobody.address);
    expect(await failureOf(closed.connect$(nobody))).toEqual(jasmine.objectContaining({ refusal: 403 }));
  });

  it('has room again for a user when an allocation was given back', async () => {
    needsCoturn();
    const { port } = await coturn(lab, ['127.0.0.1'], ...USERS, '--user-quota', '1');
    const server = { host: '127.0.0.1', port, credentials };
    const { release } = await held(allocate$(server, config()));
    expect(await failureOf(allocate$(server, config()))).toEqual(jasmine.objectContaining({ refusal: 486 }));
    release();
    let again: Awaited<ReturnType<typeof held>> | undefined;
    while (again === undefined) again = await held(allocate$(server, config())).catch(() => undefined);
    again.release();
  });

  it('takes credentials that hold for a time, and none that do not', async () => {
    needsCoturn();
    const { port } = await coturn(lab, ['127.0.0.1'], '--use-auth-secret', '--static-auth-secret', 'shared', '-r', 'example.org', '--allow-loopback-peers'); // prettier-ignore
    const until = (seconds: number) => () => {
      const username = `${Math.floor(Date.now() / 1000) + seconds}:alice`;
      return Promise.resolve({ username, credential: createHmac('sha1', 'shared').update(username).digest('base64') });
    };
    const server = { host: '127.0.0.1', port };
    const { allocation } = await held(allocate$({ ...server, credentials: until(3_600) }, config()));
    await exchange(allocation);
    const expired = failureOf(allocate$({ ...server, credentials: until(-3_600) }, config()));
    expect(await expired).toEqual(jasmine.objectContaining({ refusal: 401 }));
  });
});
