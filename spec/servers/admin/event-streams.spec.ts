import { once } from 'node:events';
import { createServer } from 'node:http';
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
      streams.open(response, []);
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
});
