import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { ByteShares } from '../../../lib/bounds/byte-shares.js';
import { UNANSWERED_BYTES } from '../../../servers/lines/client-lines.js';
import { Outbox } from '../../../servers/lines/outbox.js';
import { SocketLines } from '../../../servers/lines/socket-lines.js';
import { Timers } from '../../../servers/timers.js';
import { DEFAULT_UNREAD_LIMITS, Unread } from '../../../servers/unread.js';
import { VirtualClock } from '../../connection/virtual-links.js';

/** Until what is under way in this process has had its turn. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

describe('SocketLines', () => {
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  /** A client, the lines of its socket at the server, and what happens there. */
  async function begin(
    answer: (text: string) => Promise<void> | undefined = () => undefined,
    unanswered = new ByteShares(UNANSWERED_BYTES),
    scheduler: SchedulerLike = asyncScheduler,
  ) {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('Expected a port');
    const client = connect({ host: '127.0.0.1', port: address.port, allowHalfOpen: true });
    const [socket] = await Promise.all([
      new Promise<Socket>((resolve) => server.once('connection', resolve)),
      once(client, 'connect'),
    ]);
    server.close();
    socket.on('error', () => undefined);
    sockets.push(client, socket);
    const events: string[] = [];
    const lines = new SocketLines(socket, 'a site', {
      timers: new Timers(scheduler),
      outbox: new Outbox(),
      unread: new Unread(
        { ...DEFAULT_UNREAD_LIMITS, unreadBytes: 2 ** 25, unreadBytesPerHost: 2 ** 25 },
        asyncScheduler,
      ),
      unanswered,
    });
    const gone = new Promise<void>((resolve) => {
      lines.start({
        line(text) {
          events.push(text);
          return answer(text);
        },
        fault({ name }) {
          events.push(name);
          lines.close();
        },
        over() {
          events.push('over');
        },
        gone: resolve,
      });
    });
    return { client, lines, events, gone };
  }

  async function textTo(client: Socket): Promise<string> {
    let text = '';
    for await (const chunk of client) text += String(chunk);
    return text;
  }

  it('reads a line when the one before has been answered', async () => {
    const answers: (() => void)[] = [];
    const { client, events, gone } = await begin(() => new Promise((resolve) => answers.push(resolve)));
    client.end('one\r\ntwo\n');
    await until(() => answers.length > 0);
    // Both came together: what is read without waiting would have been read by now.
    await turn();
    expect(events).toEqual(['one']);
    answers.shift()?.();
    await until(() => answers.length > 0);
    expect(events).toEqual(['one', 'two']);
    answers.shift()?.();
    await gone;
    expect(events).toEqual(['one', 'two', 'over']);
  });

  it('cuts no more lines of what has come than it has answered, but for a few', async () => {
    const texts = spyOn(Buffer.prototype, 'toString').and.callThrough();
    let answered = 0;
    const { client, lines, gone } = await begin(() => {
      if (++answered === 100) lines.close();
      return undefined;
    });
    client.end('\n'.repeat(60_000));
    await gone;
    expect(answered).toBe(100);
    const cut = texts.calls.all().reduce((sum, { returnValue }) => sum + String(returnValue).length, 0);
    expect(cut).toBeLessThan(1_000);
  });

  it('answers a client that has hung up what it had asked, and hangs up', async () => {
    const { client, lines } = await begin(async (text) => {
      await turn();
      lines.say(`heard ${text}`);
    });
    client.end('one\ntwo\nlast without an end');
    expect(await textTo(client)).toBe('heard one\r\nheard two\r\nheard last without an end\r\n');
  });

  it('looks at nothing behind a line on which it was closed', async () => {
    const { client, lines, events, gone } = await begin(() => {
      lines.say('bye');
      lines.close();
      lines.say('no more');
      return undefined;
    });
    client.write('one\ntwo\n');
    expect(await textTo(client)).toBe('bye\r\n');
    client.end('three\n');
    await gone;
    expect(events).toEqual(['one', 'over']);
  });

  it('drops a client that does not hang up when it is closed, a second later', async () => {
    const clock = new VirtualClock();
    const { lines, events, gone } = await begin(undefined, undefined, clock);
    lines.close();
    clock.pass(999);
    expect([events, lines.socket.destroyed]).toEqual([['over'], false]);
    clock.pass(1);
    expect(lines.socket.destroyed).toBeTrue();
    await gone;
  });

  it('reads little of what comes when it has been closed', async () => {
    const { client, lines, gone } = await begin();
    client.write('first\n');
    lines.close();
    let taken = 0;
    const piece = Buffer.alloc(65_536);
    client.on('error', () => undefined);
    const write = () => {
      client.write(piece, (error) => {
        if (error) return;
        taken += piece.length;
        write();
      });
    };
    write();
    await gone;
    // The system of each side takes some megabytes.
    expect(taken).toBeLessThan(32 * 1024 * 1024);
  });

  it('tells of bytes that are no lines, behind the lines before them', async () => {
    const { client, events, gone } = await begin();
    client.end(Buffer.concat([Buffer.from('one\n'), Buffer.from([0xff, 0x0a]), Buffer.from('two\n')]));
    await gone;
    expect(events).toEqual(['one', 'ProtocolError', 'over']);
  });

  it('reads ahead a bounded number of bytes while a line is being answered', async () => {
    const { client, lines, events } = await begin(() => new Promise(() => undefined));
    const text = `${'x'.repeat(99)}\n`.repeat(10_000);
    client.write('first\n');
    for (let i = 0; i < 50; i++) client.write(text);
    await until(() => lines.socket.isPaused());
    // The systems of both sides take some of it.
    expect(lines.socket.bytesRead).toBeLessThan(1_048_576);
    expect(events).toEqual(['first']);
  });

  it('brings all that was said to a client that reads slowly, in order, and then hangs up', async () => {
    const { client, lines } = await begin();
    const said = Array.from({ length: 800 }, (_, index) => `${index} ${'ü'.repeat(10_000)}`);
    client.pause();
    for (const line of said.slice(0, 600)) lines.say(line);
    await turn();
    expect(lines.waiting).toBeGreaterThan(65_536);
    for (const line of said.slice(600)) lines.say(line);
    client.end();
    client.setEncoding('utf8');
    const heard = (await textTo(client)).split('\r\n');
    expect(heard.length).toBe(said.length + 1);
    expect(said.findIndex((line, index) => line !== heard[index])).toBe(-1);
    expect(lines.waiting).toBe(0);
  });

  it('writes what was said in one go in one piece, also what was said by others to the same client', async () => {
    const { client, lines } = await begin();
    const chunks: string[] = [];
    client.on('data', (chunk) => chunks.push(String(chunk)));
    lines.say('one');
    await Promise.resolve();
    lines.say('two');
    await once(client, 'data');
    expect(chunks).toEqual(['one\r\ntwo\r\n']);
  });

  it('counts lines that have begun and what is read ahead, and nothing of a client whose lines are answered', async () => {
    const unanswered = new ByteShares(UNANSWERED_BYTES);
    const answers: (() => void)[] = [];
    const { client, gone } = await begin(
      (text) => (text === 'slow' ? new Promise((resolve) => answers.push(resolve)) : undefined),
      unanswered,
    );
    const until = async (bytes: (count: number) => boolean) => {
      while (!bytes(unanswered.bytes)) await new Promise(setImmediate);
    };
    client.write('half a');
    await until((count) => count === 'half a'.length);
    client.write(' line\nslow\n');
    while (answers.length === 0) await new Promise(setImmediate);
    expect(unanswered.bytes).toBe(' line\nslow\n'.length);
    client.write('ahead\n');
    await until((count) => count > 100);
    answers.shift()?.();
    await until((count) => count === 0);
    client.end('x'.repeat(1_000));
    await gone;
    expect(unanswered.bytes).toBe(0);
  });

  it('drops of many clients with half a line the largest ones', async () => {
    const unanswered = new ByteShares({ mostOfOne: 10_000, mostOfSite: 10_000, most: 10_000 });
    const small = await begin(undefined, unanswered);
    const large = await begin(undefined, unanswered);
    small.client.write('x'.repeat(4_000));
    while (unanswered.bytes !== 4_000) await new Promise(setImmediate);
    large.client.write('x'.repeat(8_000));
    await large.gone;
    expect(unanswered.bytes).toBe(4_000);
    small.client.write('\n');
    while (small.events.length === 0) await new Promise(setImmediate);
    expect(small.events).toEqual(['x'.repeat(4_000)]);
  });

  it('ends once when the client breaks off', async () => {
    const { client, lines, events, gone } = await begin();
    client.resetAndDestroy();
    await gone;
    lines.say('nobody hears this');
    lines.close();
    lines.drop();
    expect(events).toEqual(['over']);
  });
});
