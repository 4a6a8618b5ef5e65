import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { EventStreams } from '../../../servers/admin/event-streams.js';
import { addressOf, Lab } from '../../support/nodes.js';

describe('Streams of events', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  it('end for a page that does not read, and make nothing where there is none', async () => {
    const streams = new EventStreams();
    const make = jasmine.createSpy().and.returnValue('x'.repeat(500_000));
    streams.tellAll('status', make);
    expect(make).not.toHaveBeenCalled();
    const server = createServer((_, response) => {
      streams.open(response, 'site', []);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    const page = connect({ host: '127.0.0.1', port: addressOf(server).port });
    page.on('error', () => undefined);
    page.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(server, 'request');
    // A system takes some MiB that nobody reads; more waits here, up to the bound.
    let rounds = 0;
    for (; make.calls.count() === rounds && rounds < 10_000; rounds++) {
      streams.tellAll('status', make);
      await new Promise(setImmediate);
    }
    expect(rounds).toBeLessThan(1_000);
    page.destroy();
  });

  it('are shared by sites: one that has many pages open keeps no other out', async () => {
    const streams = new EventStreams();
    const server = createServer(({ url = '' }, response) => {
      if (!streams.open(response, url, [])) response.writeHead(503).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = addressOf(server);
    const open = async (path: string) => {
      const asking = request({ host: '127.0.0.1', port, path, agent: false }).end();
      return new Promise<IncomingMessage>((resolve, reject) => {
        asking.on('response', resolve).on('error', reject);
      });
    };
    const many: IncomingMessage[] = [];
    for (let page = 0; page < 16; page++) many.push(await open('/greedy'));
    expect((await open('/greedy')).statusCode).toBe(503);
    const closed = many.map(
      (page) =>
        new Promise<IncomingMessage>((resolve) => {
          page
            .on('error', () => undefined)
            .once('close', () => {
              resolve(page);
            });
          page.resume();
        }),
    );
    const other = await open('/other');
    expect(other.statusCode).toBe(200);
    expect(await Promise.race(closed)).toBe(many[15] ?? other);
    other.resume();
    streams.tellAll('status', () => ({}));
    expect(many.filter((page) => page.closed)).toHaveSize(1);
  });
});
