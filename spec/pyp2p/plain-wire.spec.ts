import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { firstValueFrom } from 'rxjs';
import { ProtocolError } from '../../lib/errors.js';
import { FRAME } from '../../lib/link/frames.js';
import { plainWire, readNonce$ } from '../../lib/pyp2p/plain-wire.js';
import { crumbs } from '../support/chunks.js';
import { addressOf, failureOf, Lab } from '../support/nodes.js';

const NONCE = 'a1'.repeat(32);

describe('the wire that PyP2P speaks', () => {
  it('carries bare bytes whose lines end in CRLF, and ends with its stream', () => {
    const wire = plainWire();
    const line = Buffer.from('Sup Bob.\r\n');
    expect(wire.encode(FRAME.data, line)).toEqual([line]);
    expect(wire.decode(line)).toEqual([{ type: FRAME.data, payload: line }]);
    expect([wire.lineEnd, wire.endsWithStream]).toEqual(['\r\n', true]);
  });

  it('has no way to carry anything but data', () => {
    const wire = plainWire();
    for (const type of [FRAME.hello, FRAME.end, FRAME.ping, FRAME.pong]) {
      expect(wire.encode(type, Buffer.from('x'))).toEqual([]);
    }
  });
});

describe('the nonce of a socket', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  async function pair(): Promise<{ readonly reading: Socket; readonly writing: Socket }> {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const writing = connect(addressOf(server).port, '127.0.0.1');
    const reading = await accepted;
    reading.on('error', () => undefined);
    lab.onClose(() => (writing.destroy(), reading.destroy(), server.close()));
    return { reading, writing };
  }

  it('is read from it, and nothing after it', async () => {
    for (const chunks of [[NONCE, 'hi\r\n'], [`${NONCE}hi\r\n`], crumbs(Buffer.from(`${NONCE}hi\r\n`))]) {
      const { reading, writing } = await pair();
      for (const chunk of chunks) writing.write(chunk);
      expect(await firstValueFrom(readNonce$(reading))).toBe(NONCE);
      expect(reading.isPaused()).toBeTrue();
      const rest: string[] = [];
      reading.on('data', (chunk) => rest.push(String(chunk))).resume();
      writing.end();
      await once(reading, 'end');
      expect(rest.join('')).toBe('hi\r\n');
    }
  });

  it('is none as soon as something else is seen', async () => {
    for (const text of ['GET / HTTP/1.1\r\n', `${NONCE.slice(1)}\n`, `${NONCE.slice(0, 10)}g`]) {
      const { reading, writing } = await pair();
      writing.write(text);
      expect(await failureOf(readNonce$(reading)))
        .withContext(text)
        .toBeInstanceOf(ProtocolError);
    }
  });

  it('is none when something else comes, or not enough', async () => {
    for (const text of ['GET / HTTP/1.1\r\n', NONCE.slice(1), '']) {
      const { reading, writing } = await pair();
      writing.end(text);
      expect(await failureOf(readNonce$(reading)))
        .withContext(text)
        .toBeInstanceOf(ProtocolError);
    }
    const { reading } = await pair();
    reading.destroy();
    expect(await failureOf(readNonce$(reading))).toBeInstanceOf(ProtocolError);
  });
});
