import { Agent } from 'node:http';
import { once } from 'node:events';
import { connect } from 'node:net';
import { noop, Subject } from 'rxjs';
import type { ServeConfig } from '../../servers/index.js';
import { unwatched, type GaugeName } from '../../servers/watch.js';
import { LineClient } from '../support/line-client.js';
import { call, MailboxCaller } from '../support/mailbox.js';
import { Lab } from '../support/nodes.js';
import { serveAll } from '../support/servers.js';
import { WebSocketClient } from '../support/web-socket-client.js';
import { bytesOf, closing, joined, RelayNode } from '../support/relay.js';
import { freePort } from '../support/free-port.js';

describe('Servers that are drained', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** Servers on loopback, what drains them, and the end of them. */
  async function serving(config: ServeConfig = {}) {
    const drain = new Subject<void>();
    const dhtPort = await freePort();
    const gauges = new Map<GaugeName, () => number>();
    const { at, drained } = await serveAll(lab, {
      // A port of TCP that is free is free of UDP, too, far more often than the other way round.
      dhtPort,
      dhtAddress: '127.0.0.1',
      drain$: drain,
      ...config,
      watch: {
        ...unwatched,
        gauge: (name, figure) => {
          gauges.set(name, figure);
          return noop;
        },
      },
    });
    let hasEnded = false;
    const ended = drained.then(() => {
      hasEnded = true;
    });
    return {
      at,
      ended,
      hasEnded: () => hasEnded,
      read: (name: GaugeName) => gauges.get(name)?.(),
      drain: () => {
        drain.next();
      },
    };
  }

  it('end at once where nobody is', async () => {
    const { drain, ended } = await serving();
    drain();
    await ended;
  });

  it('listen no more, and close connections on which nothing is asked', async () => {
    const { at, drain, ended } = await serving();
    const agent = new Agent({ keepAlive: true });
    await call({ ...at('http'), agent }, '/address');
    drain();
    for (const name of ['rendezvous', 'http', 'dht-http']) {
      const [error] = await once(connect(at(name)), 'error').then((values: unknown[]) => values);
      expect(error)
        .withContext(name)
        .toEqual(jasmine.objectContaining({ code: 'ECONNREFUSED' }));
    }
    await ended;
    agent.destroy();
  });

  it('wait no longer for who asks nothing than for any request', async () => {
    const { at, drain, ended } = await serving({ httpLimits: { requestMs: 1_500 } });
    const silent = connect(at('http'));
    silent.on('error', () => undefined).resume();
    await once(silent, 'connect');
    silent.write('GET /addr');
    // Its request has begun to come once another is answered.
    await call(at('http'), '/address');
    drain();
    await ended;
    if (!silent.closed) await once(silent, 'close');
  });

  it('tell sessions of the rendezvous server to go elsewhere', async () => {
    const { at, drain, ended } = await serving();
    const client = await LineClient.to(at('rendezvous'));
    await client.ask('HELLO 2');
    drain();
    expect(await client.heard()).toMatch(/^REFUSED closing /);
    await client.closed();
    await ended;
  });

  it('tell sessions by WebSocket, too', async () => {
    const { at, drain, ended } = await serving();
    const client = await WebSocketClient.to(`ws://127.0.0.1:${at('http').port}/rendezvous`);
    await client.ask('HELLO 2');
    drain();
    expect(await client.heard()).toMatch(/^REFUSED closing /);
    await client.closed;
    await ended;
  });

  it('answer who waits at the mailbox, as the last answer of the connection', async () => {
    const { at, drain, ended, read } = await serving();
    const bob = new MailboxCaller(at('http'));
    const agent = new Agent({ keepAlive: true });
    const waiting = bob.askTake({ waitMs: 20_000 }, { ...at('http'), agent });
    while (read('mailboxPolls') !== 1) await new Promise(setImmediate);
    drain();
    const { status, headers } = await waiting;
    expect([status, headers.connection]).toEqual([200, 'close']);
    await ended;
    agent.destroy();
  });

  it('let a pair at the relay go on, and send away who waits there', async () => {
    const { at, drain, ended, hasEnded } = await serving();
    const [here, there] = await joined(new RelayNode(at('http')), new RelayNode(at('http')));
    const { socket: waiting } = await new RelayNode(at('http')).ask({});
    if (waiting === undefined) throw new Error('Expected to wait for another');
    drain();
    await closing(waiting);
    here.write('still here');
    expect(await bytesOf(there, 10)).toBe('still here');
    expect(hasEnded()).toBeFalse();
    here.destroy();
    there.destroy();
    await ended;
  });
});
