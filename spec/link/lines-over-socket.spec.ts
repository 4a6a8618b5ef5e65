import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import { ClosedError, InvalidTextError, LineTooLongError, ProtocolError } from '../../lib/errors.js';
import { LinesOverSocket } from '../../lib/link/lines-over-socket.js';
import { addressOf, failureOf } from '../support/nodes.js';

describe('lines over a socket', () => {
  let server: Server;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.close();
    await once(server, 'close');
  });

  /** A client's lines, and the server's end of the socket. */
  async function pair(lineBytes = 100): Promise<{ lines: LinesOverSocket; socket: Socket; peer: Socket }> {
    const socket = connect({ port: addressOf(server).port, host: '127.0.0.1', allowHalfOpen: true });
    const [peer] = await Promise.all([
      new Promise<Socket>((resolve) => server.once('connection', resolve)),
      once(socket, 'connect'),
    ]);
    sockets.push(socket, peer);
    peer.on('error', () => undefined);
    return { lines: new LinesOverSocket(socket, lineBytes), socket, peer };
  }

  const heardBy = async (peer: Socket) => String(Buffer.concat(await peer.toArray()));
  const read$ = ({ line$ }: LinesOverSocket, count: number) => line$.pipe(take(count), toArray());

  it('are those that come, however they are cut, the last also without its end', async () => {
    const { lines, peer } = await pair();
    peer.write('NONCE a\r\nWEL');
    const read = firstValueFrom(read$(lines, 3));
    peer.end('COME\nlast');
    expect(await read).toEqual(['NONCE a', 'WELCOME', 'last']);
  });

  it('wait in the socket until they are subscribed to', async () => {
    const { lines, peer } = await pair();
    await new Promise<void>((resolve) => {
      peer.write('one\r\n', () => {
        resolve();
      });
    });
    expect(await firstValueFrom(lines.line$)).toBe('one');
  });

  it('are sent with CRLF behind each, those of one go in one piece', async () => {
    const { lines, socket, peer } = await pair();
    const write = spyOn(socket, 'write').and.callThrough();
    lines.send('HELLO 2');
    lines.send('SOURCE TCP 41000');
    expect(write).not.toHaveBeenCalled();
    await Promise.resolve();
    expect(write).toHaveBeenCalledTimes(1);
    lines.send('PING');
    await Promise.resolve();
    socket.end();
    expect(await heardBy(peer)).toBe('HELLO 2\r\nSOURCE TCP 41000\r\nPING\r\n');
  });

  it('are one line each, of bounded length', async () => {
    const { lines } = await pair(5);
    for (const text of ['one\ntwo', 'one\r', 'longer']) {
      expect(() => {
        lines.send(text);
      })
        .withContext(text)
        .toThrowError(InvalidTextError);
    }
  });

  it('fail when the server hangs up, and hang up, too', async () => {
    const { lines, peer } = await pair();
    peer.end('bye\r\n');
    expect(await failureOf(lines.line$)).toEqual(new ClosedError('closed by the peer'));
    expect(await heardBy(peer)).toBe('');
    lines.send('PING');
    await Promise.resolve();
    expect(await failureOf(lines.line$))
      .withContext('also when subscribed to later')
      .toEqual(new ClosedError('closed by the peer'));
  });

  it('hang up with the server also when nobody is subscribed any more', async () => {
    const { lines, socket, peer } = await pair();
    peer.write('one\r\n');
    await firstValueFrom(lines.line$);
    const closed = once(socket, 'close');
    peer.end('two\r\n');
    expect(await heardBy(peer)).toBe('');
    await closed;
  });

  it('fail when the connection breaks', async () => {
    const { lines, socket, peer } = await pair();
    const failure = failureOf(lines.line$);
    peer.resetAndDestroy();
    expect(await failure).toBeInstanceOf(ClosedError);
    expect(String(await failure)).toContain('the link broke');
    if (!socket.closed) await once(socket, 'close');
    expect(await failureOf(new LinesOverSocket(socket, 100).line$)).toEqual(
      new ClosedError('the peer went away without a word'),
    );
  });

  it('fail and close the socket at what is no line', async () => {
    for (const [bytes, failure] of [
      ['good\r\nfar too long', LineTooLongError],
      [Buffer.from('good\r\n\xff\xfe\r\nbad\r\n', 'latin1'), ProtocolError],
    ] as const) {
      const { lines, socket, peer } = await pair(5);
      peer.write(bytes);
      const read: string[] = [];
      const closed = once(socket, 'close');
      const reading = new Promise((resolve) => {
        lines.line$.subscribe({ next: (line) => read.push(line), error: resolve });
      });
      expect(await reading).toBeInstanceOf(failure);
      expect(read).toEqual(['good']);
      await closed;
    }
  });

  it('send what was sent before they are dropped, and fail then', async () => {
    const { lines, peer } = await pair();
    const failure = lastValueFrom(lines.line$).catch((error: unknown) => error);
    const heard = heardBy(peer);
    lines.send('CLEAR');
    lines.destroy();
    expect(await failure).toEqual(new ClosedError('dropped here'));
    expect(await heard).toBe('CLEAR\r\n');
  });
});
