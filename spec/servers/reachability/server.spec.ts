import { once } from 'node:events';
import { get, type IncomingMessage, type RequestOptions } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { text } from 'node:stream/consumers';
import { firstValueFrom, NEVER, Subject } from 'rxjs';
import { createIdentity } from '../../../lib/identity.js';
import { InvalidOptionError, ListenError } from '../../../lib/errors.js';
import { systemRuntime, type Runtime } from '../../../lib/runtime.js';
import { reachabilityServer$, type ReachabilityServerConfig } from '../../../servers/reachability/server.js';
import { impatient } from '../../support/impatient.js';
import { endpointOf } from '../../support/raw-peer.js';
import { addressOf, failureOf, Lab, newAddress } from '../../support/nodes.js';
import { freePort } from '../../support/free-port.js';

/** The answer to a request over a connection of its own. */
async function answerTo(options: RequestOptions) {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ ...options, agent: false })
      .on('response', resolve)
      .on('error', reject);
  });
  return { status: response.statusCode, text: await text(response), headers: response.headers };
}

/** Waits until a connection is closed, in whichever way. */
function closed(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => {
    socket
      .on('error', () => undefined)
      .on('close', resolve)
      .resume();
  });
}

describe('A reachability server', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** A server, and a way to ask it from any loopback address. */
  async function open(config: ReachabilityServerConfig = {}, runtime?: Runtime) {
    const server$ = reachabilityServer$({ bind: '127.0.0.1', port: 0, ...config }, runtime);
    const listening = new Subject<{ readonly address: string; readonly port: number }>();
    const first = firstValueFrom(listening);
    lab.use(
      server$.subscribe(({ local }) => {
        listening.next(local);
      }),
    );
    const { address, port } = await first;
    const ask = (path: string, localAddress: string, method = 'GET') =>
      answerTo({ host: address, port, path, localAddress, method });
    return {
      address,
      port,
      ask,
      askJson: async (path: string, from: string): Promise<unknown> => JSON.parse((await ask(path, from)).text),
    };
  }

  /** Somebody who listens, and does what a spec says with whoever comes. */
  async function listenAt(address: string, onSocket: (socket: Socket) => void = () => undefined): Promise<number> {
    const server: Server = createServer((socket) => {
      socket.on('error', () => undefined);
      lab.onClose(() => socket.destroy());
      onSocket(socket);
    }).listen(0, address);
    await once(server, 'listening');
    lab.onClose(() => server.close());
    return addressOf(server).port;
  }

  /** A runtime that keeps who is dialled, and dials nobody when it is told so. */
  function watching(isHeld = false): { readonly runtime: Runtime; readonly dialled: string[] } {
    const dialled: string[] = [];
    const dial$: Runtime['dial$'] = (config) => {
      dialled.push(config.host);
      return isHeld ? NEVER : systemRuntime.dial$(config);
    };
    return { runtime: { ...systemRuntime, dial$ }, dialled };
  }

  it('tells the caller’s address and port', async () => {
    const { askJson } = await open();
    const from = newAddress();
    expect(await askJson('/address', from)).toEqual({ address: from, port: jasmine.any(Number) });
  });

  it('dials the caller back, and tells that it got through', async () => {
    const { askJson } = await open();
    const from = newAddress();
    const port = await listenAt(from);
    expect(await askJson(`/reachable?port=${port}`, from)).toEqual({ address: from, port, reachable: true });
  });

  it('dials no port of a well-known service, nor a proxy, whatever it is asked', async () => {
    const { runtime, dialled } = watching();
    const { address, port: at, askJson } = await open({}, runtime);
    const from = newAddress();
    for (const port of [22, 25, 80, 1023]) {
      const answer = await askJson(`/reachable?port=${port}`, from);
      expect(answer).toEqual(jasmine.objectContaining({ reachable: false, reason: jasmine.stringMatching(/service/) }));
      expect(await askJson(`/net.php?action=is_port_forwarded&port=${port}`, from)).toEqual({ result: 'no' });
    }
    for (const host of ['rv.example.org', 'rv.example.org:8080']) {
      const asked = { host: address, port: at, localAddress: from, headers: { host } };
      const answer: unknown = JSON.parse((await answerTo({ ...asked, path: '/reachable?port=4000' })).text);
      expect(answer).toEqual(jasmine.objectContaining({ reachable: false, reason: jasmine.stringMatching(/proxy/) }));
    }
    const byNginx = connect({ host: address, port: at, localAddress: from, allowHalfOpen: true });
    byNginx.end(`GET /reachable?port=4000 HTTP/1.0\r\nHost: ${address}:${at}\r\n\r\n`);
    expect(await text(byNginx)).toMatch(/"reachable":false,"reason":"a proxy/);
    for (const name of ['forwarded', 'x-forwarded-for', 'via']) {
      const headers = { [name]: '45.1.1.1' };
      const asked = { host: address, port: at, localAddress: from, headers };
      const answer: unknown = JSON.parse((await answerTo({ ...asked, path: '/reachable?port=4000' })).text);
      expect(answer).toEqual(jasmine.objectContaining({ reachable: false, reason: jasmine.stringMatching(/proxy/) }));
      const path = '/net.php?action=is_port_forwarded&port=4000';
      expect(JSON.parse((await answerTo({ ...asked, path })).text)).toEqual({ result: 'no' });
    }
    expect(dialled).toEqual([]);
  });

  it('dials from the address at which it is asked', async () => {
    const bind = newAddress();
    const { askJson } = await open({ bind });
    const [from, caller] = [newAddress(), new Subject<string | undefined>()];
    const seen = firstValueFrom(caller);
    const port = await listenAt(from, ({ remoteAddress }) => {
      caller.next(remoteAddress);
    });
    await askJson(`/reachable?port=${port}`, from);
    expect(await seen).toBe(bind);
  });

  it('tells when nobody answers, and why', async () => {
    const { askJson } = await open();
    const from = newAddress();
    const port = await freePort(from);
    expect(await askJson(`/reachable?port=${port}`, from)).toEqual({
      address: from,
      port,
      reachable: false,
      reason: jasmine.stringContaining('ECONNREFUSED'),
    });
  });

  it('gives up when a dial takes too long', async () => {
    const { runtime } = watching(true);
    const { askJson } = await open({ limits: { dialMs: 20 } }, runtime);
    expect(await askJson('/reachable?port=4001', newAddress())).toEqual(
      jasmine.objectContaining({ reachable: false, reason: jasmine.stringContaining('did not answer within 20 ms') }),
    );
  });

  it('has a node prove the key that was asked for', async () => {
    const { askJson } = await open();
    const [from, stranger] = [newAddress(), createIdentity().peerId];
    const net = lab.net({ bind: from });
    const { port } = await endpointOf(net);
    expect(await askJson(`/reachable?port=${port}&peer=${net.peerId}`, from)).toEqual(
      jasmine.objectContaining({ reachable: true }),
    );
    expect(await askJson(`/reachable?port=${port}&peer=${stranger}`, from)).toEqual(
      jasmine.objectContaining({ reachable: false, reason: jasmine.stringContaining(net.peerId) }),
    );
    expect((await firstValueFrom(net.status$)).slots.inbound.used).toBe(0);
  });

  it('does not take another program for the node: one that speaks, one that is silent, one that hangs up', async () => {
    const { askJson } = await open({ limits: { dialMs: 200 } });
    const [from, peer] = [newAddress(), createIdentity().peerId];
    for (const onSocket of [
      (socket: Socket) => socket.write('220 mail.example.org ESMTP\r\n'),
      () => undefined,
      (socket: Socket) => socket.end(),
      (socket: Socket) => socket.resetAndDestroy(),
    ]) {
      const port = await listenAt(from, onSocket);
      expect(await askJson(`/reachable?port=${port}&peer=${peer}`, from)).toEqual(
        jasmine.objectContaining({ reachable: false, reason: jasmine.any(String) }),
      );
    }
  });

  it('answers PyP2P’s questions as net.php does, below any path', async () => {
    const { ask } = await open();
    const from = newAddress();
    const [port, dead] = [await listenAt(from), await freePort(from)];
    for (const path of ['/net.php', '/pyp2p/net.php']) {
      expect((await ask(`${path}?action=get_wan_ip`, from)).text).toBe(from);
      for (const [query, result] of [
        [`port=${port}&proto=TCP`, 'yes'],
        [`port=${port}&proto=tcp`, 'yes'],
        [`port=${port}`, 'yes'],
        [`port=${dead}&proto=TCP`, 'no'],
        [`port=${port}&proto=UDP`, 'no'],
        ['port=0&proto=TCP', 'no'],
        ['proto=TCP', 'no'],
      ] as const) {
        const answer = await ask(`${path}?action=is_port_forwarded&${query}`, from);
        expect(answer.text).withContext(query).toBe(JSON.stringify({ result }));
      }
      expect((await ask(`${path}?action=format_disk`, from)).status).toBe(404);
      expect((await ask(path, from)).status).toBe(404);
    }
  });

  it('never dials another address than the caller’s, whatever it is asked', async () => {
    const { runtime, dialled } = watching();
    const { ask, address, port: serverPort } = await open({}, runtime);
    const [from, victim] = [newAddress(), newAddress()];
    let visits = 0;
    const port = await listenAt(victim, () => {
      visits++;
    });
    for (const path of [
      `/reachable?port=${port}&address=${victim}`,
      `/reachable?port=${port}&host=${victim}&ip=${victim}`,
      `/reachable?port=${victim}:${port}`,
      `http://${victim}:${port}/reachable?port=${port}`,
      `//${victim}/reachable?port=${port}`,
      `/net.php?action=is_port_forwarded&port=${port}&proto=TCP&addr=${victim}`,
    ]) {
      await ask(path, from);
    }
    await answerTo({
      host: address,
      port: serverPort,
      path: `/reachable?port=${port}`,
      localAddress: from,
      headers: {
        'x-forwarded-for': victim,
        'x-real-ip': victim,
        forwarded: `for=${victim}`,
        host: `${victim}:${port}`,
      },
    });
    expect(dialled.length).toBeGreaterThan(1);
    expect(new Set(dialled)).toEqual(new Set([from]));
    expect(visits).toBe(0);
  });

  it('refuses what is no question', async () => {
    const { runtime, dialled } = watching();
    const { ask } = await open({}, runtime);
    const from = newAddress();
    for (const query of [
      '',
      '?port=',
      '?port=0',
      '?port=65536',
      '?port=-1',
      '?port=1.5',
      '?port=1e3',
      '?port=0x50',
      '?port=%20',
      '?port=99999999999999999999',
      '?port=22&peer=',
      '?port=22&peer=nobody',
      `?port=22&peer=${'A'.repeat(5000)}`,
    ]) {
      expect((await ask(`/reachable${query}`, from)).status)
        .withContext(query)
        .toBe(400);
    }
    for (const path of ['/', '/secret', '/reachable/x', '/net.php/x', '/%00', '//', '/../address/..']) {
      expect((await ask(path, from)).status)
        .withContext(path)
        .toBe(404);
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      expect((await ask('/address', from, method)).status)
        .withContext(method)
        .toBe(404);
    }
    expect(dialled).toEqual([]);
  });

  it('survives callers that speak no HTTP', async () => {
    const { address, port, askJson } = await open();
    for (const garbage of [
      '\0'.repeat(1000),
      'GET\r\n\r\n',
      'GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n',
      '\x16\x03\x01',
    ]) {
      const socket = connect({ host: address, port });
      socket.end(garbage);
      await closed(socket);
    }
    expect(await askJson('/address', '127.0.0.1')).toEqual(jasmine.objectContaining({ address: '127.0.0.1' }));
  });

  it('hangs up on a caller that takes too long to ask', async () => {
    const { address, port } = await open({ limits: { requestMs: 100 } });
    for (const beginning of ['', 'GET /address HTTP/1.1\r\n', 'GET /address HTTP/1.1\r\nHost: x\r\n']) {
      const socket = connect({ host: address, port });
      socket.write(beginning);
      await closed(socket);
      expect(socket.destroyed).toBeTrue();
    }
  });

  it('limits the dials of each host, independently of others', async () => {
    let now = 0;
    const { runtime, dialled } = watching();
    const clock: Runtime = { ...runtime, scheduler: { ...impatient({}), now: () => now } };
    const { ask } = await open({ limits: { dialBurst: 2, dialsPerMinute: 6 } }, clock);
    const [from, other] = [newAddress(), newAddress()];
    const port = await freePort(from);
    const statuses = async (caller: string, times: number) => {
      const answers: (number | undefined)[] = [];
      for (let time = 0; time < times; time++) answers.push((await ask(`/reachable?port=${port}`, caller)).status);
      return answers;
    };
    expect(await statuses(from, 3)).toEqual([200, 200, 429]);
    expect((await ask(`/reachable?port=${port}`, from)).headers['retry-after']).toBe('60');
    expect((await ask(`/net.php?action=is_port_forwarded&port=${port}`, from)).status).toBe(429);
    // Its address it may ask as often as it likes.
    expect((await ask('/address', from)).status).toBe(200);
    expect(await statuses(other, 1)).toEqual([200]);
    now = 10_000;
    expect(await statuses(from, 2)).toEqual([200, 429]);
    expect(dialled).toHaveSize(4);
  });

  it('limits simultaneous dials and waiting callers, and refuses the rest', async () => {
    const held = new Subject<never>();
    const dialled: number[] = [];
    const dial$: Runtime['dial$'] = ({ port }) => {
      dialled.push(port);
      return held;
    };
    const limits = { dials: 1, waiting: 1, dialMs: 2 ** 31 - 1 };
    const { ask } = await open({ limits }, { ...systemRuntime, dial$ });
    const answers = [4001, 4002, 4003].map((port) => ask(`/reachable?port=${port}`, newAddress()));
    // One is dialled and one waits; neither hears anything yet.
    const { status, headers } = await Promise.race(answers);
    expect([status, headers['retry-after']]).toEqual([503, '60']);
    expect(dialled).toHaveSize(1);
    held.error(new Error('over'));
    expect((await Promise.all(answers)).map((answer) => answer.status).toSorted()).toEqual([200, 200, 503]);
    expect(dialled).toHaveSize(2);
    // And there is room again.
    expect((await ask('/reachable?port=4004', newAddress())).status).toBe(200);
  });

  it('closes, with all its work, when unsubscribed from', async () => {
    const { runtime } = watching(true);
    const held: Socket[] = [];
    const listening = new Subject<{ readonly address: string; readonly port: number }>();
    const first = firstValueFrom(listening);
    const server = reachabilityServer$({ bind: '127.0.0.1', port: 0 }, runtime).subscribe(({ local }) => {
      listening.next(local);
    });
    const { address, port } = await first;
    for (const line of ['', 'GET /reachable?port=4001 HTTP/1.1\r\nHost: x\r\n\r\n']) {
      const socket = connect({ host: address, port });
      await once(socket, 'connect');
      socket.write(line);
      held.push(socket);
    }
    const allClosed = Promise.all(held.map(closed));
    server.unsubscribe();
    await allClosed;
    const late = connect({ host: address, port });
    const error = await new Promise((resolve) => late.on('error', resolve));
    expect(String(error)).toContain('ECONNREFUSED');
  });

  it('tells when the port is taken, and when it is none', async () => {
    const { port } = await open();
    expect(await failureOf(reachabilityServer$({ bind: '127.0.0.1', port }))).toBeInstanceOf(ListenError);
    expect(await failureOf(reachabilityServer$({ port: 70_000 }))).toBeInstanceOf(InvalidOptionError);
    expect(await failureOf(reachabilityServer$({ limits: { dials: 0 } }))).toBeInstanceOf(InvalidOptionError);
  });

  if (Object.values(networkInterfaces()).some((entries) => entries?.some(({ address }) => address === '::1'))) {
    it('tells IPv6 callers theirs, and dials them back', async () => {
      const { askJson } = await open({ bind: '::1' });
      expect(await askJson('/address', '::1')).toEqual(jasmine.objectContaining({ address: '::1' }));
      const port = await listenAt('::1');
      expect(await askJson(`/reachable?port=${port}`, '::1')).toEqual({ address: '::1', port, reachable: true });
    });

    it('that listens on all addresses calls IPv4 ones by their own name, and dials them as such', async () => {
      const { runtime, dialled } = watching();
      const { port } = await open({ bind: '::' }, runtime);
      const from = newAddress();
      const own = await listenAt(from);
      const answer = await answerTo({ host: '127.0.0.1', port, path: `/reachable?port=${own}`, localAddress: from });
      expect(JSON.parse(answer.text)).toEqual({ address: from, port: own, reachable: true });
      expect(dialled).toEqual([from]);
    });
  }
});
