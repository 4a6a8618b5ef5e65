import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { asyncScheduler, firstValueFrom, lastValueFrom, Subject, takeUntil, toArray } from 'rxjs';
import { selfSignedCertificate } from '../lib/certificate.js';
import { HttpError } from '../lib/errors.js';
import { fetch$ } from '../lib/http.js';
import { createIdentity } from '../lib/identity.js';
import { dialWith } from '../lib/link/tcp.js';
import { addressOf, failureOf, Lab, newAddress } from './support/nodes.js';

describe('fetch$', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** A server at a loopback address of its own. */
  async function serve(listener: RequestListener, address = newAddress()): Promise<{ server: Server; url: URL }> {
    const server = createServer(listener).listen(0, address);
    await once(server, 'listening');
    lab.onClose(() => {
      server.close();
      server.closeAllConnections();
    });
    return { server, url: new URL(`http://${address}:${addressOf(server).port}/path?a=b`) };
  }

  it('emits the answer and completes', async () => {
    const { url } = await serve((request, response) => {
      response.end(`${request.method ?? ''} ${request.url ?? ''}`);
    });
    const answers = await lastValueFrom(fetch$({ url, maxBytes: 100 }).pipe(toArray()));
    expect(answers).toEqual([jasmine.objectContaining({ status: 200, text: 'GET /path?a=b' })]);
  });

  it('emits the answer whatever its status is', async () => {
    const { url } = await serve((_, response) => {
      response.writeHead(500).end('a fault');
    });
    expect(await lastValueFrom(fetch$({ url, maxBytes: 100 }))).toEqual(
      jasmine.objectContaining({ status: 500, text: 'a fault' }),
    );
  });

  it('emits when the answer was written, where the server says so in a way that can be read', async () => {
    for (const [said, date] of [
      ['Thu, 01 Jan 1970 00:00:05 GMT', 5_000],
      ['soon', undefined],
      [undefined, undefined],
    ] as const) {
      const { url } = await serve((_, response) => {
        response.sendDate = false;
        if (said !== undefined) response.setHeader('date', said);
        response.end();
      });
      expect((await lastValueFrom(fetch$({ url, maxBytes: 100 }))).date).toBe(date);
    }
  });

  it('sends what it is given', async () => {
    const { url } = await serve((request, response) => {
      request.setEncoding('utf8').on('data', (body: string) => {
        response.end(`${request.method ?? ''} ${String(request.headers['x-a'])} ${body}`);
      });
    });
    const answer = await lastValueFrom(
      fetch$({ url, method: 'POST', headers: { 'X-A': 'b' }, body: 'ünïcödé', maxBytes: 100 }),
    );
    expect(answer.text).toBe('POST b ünïcödé');
  });

  it('leaves from the local address that it is given', async () => {
    const { url } = await serve((request, response) => {
      response.end(request.socket.remoteAddress);
    });
    const localAddress = newAddress();
    expect((await lastValueFrom(fetch$({ url, maxBytes: 100, localAddress }))).text).toBe(localAddress);
  });

  it('goes to the address that it is told, whatever host the URL names', async () => {
    const address = newAddress();
    const { url } = await serve((request, response) => {
      response.end(request.headers.host);
    }, address);
    let strays = 0;
    const elsewhere = newAddress();
    const stray = createTcpServer((socket) => {
      strays++;
      socket.destroy();
    }).listen(Number(url.port), elsewhere);
    await once(stray, 'listening');
    lab.onClose(() => stray.close());
    for (const host of [elsewhere, 'gateway.invalid', '[::1]']) {
      const named = new URL(`http://${host}:${url.port}/`);
      const { text } = await lastValueFrom(fetch$({ url: named, maxBytes: 100, connectTo: address }));
      expect(text).toBe(named.host);
    }
    expect(strays).toBe(0);
  });

  it('tries every address of a name', async () => {
    const [first, second] = [newAddress(), newAddress()];
    const { url } = await serve((request, response) => {
      response.end(request.headers.host);
    }, second);
    const named = new URL(`http://rv.test:${url.port}/`);
    const dial$ = dialWith({ lookup: () => Promise.resolve([first, second]), scheduler: asyncScheduler });
    for (const localAddress of [undefined, newAddress()]) {
      const { text } = await lastValueFrom(fetch$({ url: named, maxBytes: 100, localAddress, dial$ }));
      expect(text).toBe(named.host);
    }
  });

  it('asks by https, and rejects an untrusted certificate', async () => {
    const owner = createIdentity();
    const server = createSecureServer(
      { cert: selfSignedCertificate(owner), key: owner.privateKey },
      (request, response) => {
        response.end(request.url);
      },
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => {
      server.close();
      server.closeAllConnections();
    });
    const url = new URL(`https://127.0.0.1:${addressOf(server).port}/path`);
    expect(await failureOf(fetch$({ url, maxBytes: 100 }))).toEqual(
      jasmine.objectContaining({ code: 'HTTP', message: jasmine.stringContaining('self-signed') }),
    );
    // The only way to have this process trust it; Node warns of it once.
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    lab.onClose(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']);
    expect((await lastValueFrom(fetch$({ url, maxBytes: 100 }))).text).toBe('/path');
  });

  it('does not follow where it is sent to', async () => {
    let visits = 0;
    const { url: elsewhere } = await serve((_, response) => {
      visits++;
      response.end();
    });
    for (const status of [301, 302, 303, 307, 308]) {
      const { url } = await serve((_, response) => {
        response.writeHead(status, { location: elsewhere.href }).end();
      });
      expect(await failureOf(fetch$({ url, maxBytes: 100 }))).toBeInstanceOf(HttpError);
    }
    expect(visits).toBe(0);
  });

  it('fails for an answer that is longer than it may be, also one that never ends', async () => {
    const { url: long } = await serve((_, response) => {
      response.end('x'.repeat(101));
    });
    expect(await failureOf(fetch$({ url: long, maxBytes: 100 }))).toBeInstanceOf(HttpError);
    const closed = new Subject<void>();
    const { url: endless } = await serve((_, response) => {
      const more = () => {
        while (response.write('x'.repeat(1000)));
      };
      response.on('drain', more).on('close', () => {
        closed.next();
      });
      more();
    });
    const gone = firstValueFrom(closed);
    expect(await failureOf(fetch$({ url: endless, maxBytes: 100 }))).toBeInstanceOf(HttpError);
    // Nor is it read any further.
    await gone;
  });

  it('takes one that is just short enough', async () => {
    const { url } = await serve((_, response) => {
      response.end('x'.repeat(100));
    });
    expect((await lastValueFrom(fetch$({ url, maxBytes: 100 }))).text).toHaveSize(100);
  });

  it('fails when nobody listens, when the connection is cut, and for what is no HTTP', async () => {
    const { server, url: dead } = await serve(() => undefined);
    server.close();
    expect(await failureOf(fetch$({ url: dead, maxBytes: 100 }))).toEqual(
      jasmine.objectContaining({ code: 'HTTP', message: jasmine.stringContaining('ECONNREFUSED') }),
    );
    const { url: cut } = await serve((_, response) => {
      response.writeHead(200, { 'content-length': 50 }).write('half');
      response.socket?.end();
    });
    expect(await failureOf(fetch$({ url: cut, maxBytes: 100 }))).toBeInstanceOf(HttpError);
    const { url: reset } = await serve((request) => {
      request.socket.destroy();
    });
    expect(await failureOf(fetch$({ url: reset, maxBytes: 100 }))).toBeInstanceOf(HttpError);
    const garbage = createTcpServer((socket) => {
      socket.on('error', () => undefined).end('SSH-2.0-garbage\r\n');
    }).listen(0, newAddress());
    await once(garbage, 'listening');
    lab.onClose(() => garbage.close());
    const { address, port } = addressOf(garbage);
    const error = await failureOf(fetch$({ url: new URL(`http://${address}:${port}/`), maxBytes: 100 }));
    expect(error).toBeInstanceOf(HttpError);
  });

  it('fails for a URL that cannot be requested', async () => {
    for (const url of ['ftp://127.0.0.1/', 'http://user:secret@127.0.0.1:1/']) {
      expect(await failureOf(fetch$({ url: new URL(url), maxBytes: 100 })))
        .withContext(url)
        .toBeInstanceOf(HttpError);
    }
  });

  it('gives the request up when nobody waits for it any more', async () => {
    const giveUp = new Subject<void>();
    const closed = new Subject<void>();
    const { url } = await serve((request) => {
      request.socket.on('close', () => {
        closed.next();
      });
      giveUp.next();
    });
    const gone = firstValueFrom(closed);
    const answers = lastValueFrom(fetch$({ url, maxBytes: 100 }).pipe(takeUntil(giveUp), toArray()));
    expect(await answers).toEqual([]);
    await gone;
  });
});
