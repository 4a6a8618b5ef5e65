import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { asyncScheduler, lastValueFrom, VirtualTimeScheduler, type Observable } from 'rxjs';
import { DialError } from '../../lib/errors.js';
import { dialWith } from '../../lib/link/tcp.js';
import { addressOf, failureOf, Lab, newAddress } from '../support/nodes.js';
import { Unanswered } from '../support/unanswered.js';

describe('dial$ to a name', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** A server that accepts everything, and its port. */
  async function serve(address: string): Promise<number> {
    const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, address);
    await once(server, 'listening');
    lab.onClose(() => server.close());
    return addressOf(server).port;
  }

  async function connected(socket$: Observable<Socket>): Promise<Socket> {
    const socket = await lastValueFrom(socket$);
    lab.onClose(() => socket.destroy());
    return socket;
  }

  it('goes on to the next address where nobody listens, also from a local address', async () => {
    const [first, second] = [newAddress(), newAddress()];
    const port = await serve(second);
    const dial$ = dialWith({ lookup: () => Promise.resolve([first, second]), scheduler: asyncScheduler });
    for (const localAddress of [undefined, newAddress()]) {
      const { remoteAddress } = await connected(dial$({ host: 'rv.test', port, localAddress }));
      expect(remoteAddress).toBe(second);
    }
  });

  it('does not wait for an address that never answers', async () => {
    const [first, second] = [newAddress(), newAddress()];
    const port = await serve(second);
    const silent = await Unanswered.at(first, port);
    lab.onClose(() => {
      silent.end();
    });
    const dial$ = dialWith({ lookup: () => Promise.resolve([first, second]), scheduler: asyncScheduler });
    expect((await connected(dial$({ host: 'rv.test', port }))).remoteAddress).toBe(second);
  });

  it('gives no address up because the next has been begun, however long its handshake takes', async () => {
    const [slow, silent] = [newAddress(), newAddress()];
    const port = await serve(newAddress());
    const [far, dead] = await Promise.all([Unanswered.at(slow, port), Unanswered.at(silent, port)]);
    lab.onClose(() => {
      far.end();
      dead.end();
    });
    const scheduler = new VirtualTimeScheduler();
    const dial$ = dialWith({ lookup: () => Promise.resolve([slow, silent]), scheduler });
    const connecting = connected(dial$({ host: 'rv.test', port }));
    await new Promise(setImmediate);
    scheduler.flush();
    expect(scheduler.now()).toBe(250);
    await new Promise(setImmediate);
    far.answer();
    expect((await connecting).remoteAddress).toBe(slow);
  });

  it('tells of each address why it could not be reached', async () => {
    const [first, second] = [newAddress(), newAddress()];
    const dial$ = dialWith({ lookup: () => Promise.resolve([first, second]), scheduler: asyncScheduler });
    const failure = await failureOf(dial$({ host: 'rv.test', port: 1 }));
    expect(failure).toBeInstanceOf(DialError);
    expect(failure).toEqual(
      jasmine.objectContaining({
        message: `rv.test:1 cannot be reached: connect ECONNREFUSED ${first}:1; connect ECONNREFUSED ${second}:1`,
      }),
    );
  });

  it('asks for addresses of the family of the local address, or of the one that is named', async () => {
    const asked: unknown[] = [];
    const lookup = (host: string, family: 4 | 6 | undefined) => {
      asked.push([host, family]);
      return Promise.reject(new Error('not here'));
    };
    const dial$ = dialWith({ lookup, scheduler: asyncScheduler });
    const host = 'rv.test';
    await failureOf(dial$({ host, port: 1 }));
    await failureOf(dial$({ host, port: 1, localAddress: '127.0.0.1' }));
    await failureOf(dial$({ host, port: 1, localAddress: '::1' }));
    await failureOf(dial$({ host, port: 1, family: 6 }));
    expect(asked).toEqual([
      [host, undefined],
      [host, 4],
      [host, 6],
      [host, 6],
    ]);
  });

  it('takes the families of addresses in turns, at most eight addresses, and does not resolve an address', async () => {
    const many = [...Array.from({ length: 10 }, (_, i) => `::1:0:${i}`), '127.0.0.1'];
    const lookup = () => Promise.resolve(many);
    const failure = await failureOf(dialWith({ lookup, scheduler: asyncScheduler })({ host: 'rv.test', port: 1 }));
    const tried = failure instanceof DialError && failure.cause instanceof AggregateError ? failure.cause.errors : [];
    expect(tried).toHaveSize(8);
    expect(tried[1]).toEqual(jasmine.objectContaining({ address: '127.0.0.1' }));
    const never = dialWith({ lookup: () => Promise.reject(new Error('asked')), scheduler: asyncScheduler });
    expect(await failureOf(never({ host: '127.0.0.1', port: 1 }))).toEqual(
      jasmine.objectContaining({ message: jasmine.stringContaining('ECONNREFUSED') }),
    );
  });
});
