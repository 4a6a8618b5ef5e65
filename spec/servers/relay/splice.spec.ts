import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { NEVER, Subject, VirtualTimeScheduler, type Subscription } from 'rxjs';
import { systemRuntime } from '../../../lib/runtime.js';
import { splice$, TICKS, type SpliceConfig, type SpliceLimits } from '../../../servers/relay/splice.js';
import { addressOf, Lab } from '../../support/nodes.js';
import { allOf, bytesOf, closing } from '../../support/relay.js';

const KIB = 1024;

const LIMITS: SpliceLimits = {
  idleMs: 1_000,
  bytesPerSession: Number.POSITIVE_INFINITY,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  bufferedBytes: 64 * KIB,
};

describe('A splice', () => {
  const lab = new Lab();
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await lab.close();
  });

  /** Two connections: the ends of their owners, and those that are spliced. */
  async function connections() {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    const one = async () => {
      const inside = new Promise<Socket>((resolve) => {
        server.once('connection', resolve);
      });
      const outside = connect({ port: addressOf(server).port, host: '127.0.0.1', allowHalfOpen: true });
      const pair = [outside, await inside] as const;
      for (const socket of pair) sockets.push(socket.on('error', () => undefined));
      return pair;
    };
    const [[here, a], [there, b]] = [await one(), await one()];
    return { here, there, a, b };
  }

  /** Splices, and keeps what it says. */
  function splice(
    sockets: readonly [Socket, Socket],
    limits: Partial<SpliceLimits> = {},
    config: Partial<SpliceConfig> = {},
  ): { readonly said: string[]; readonly splicing: Subscription } {
    const said: string[] = [];
    const splicing = lab.use(
      splice$({
        sockets,
        limits: { ...LIMITS, ...limits },
        tick$: NEVER,
        scheduler: systemRuntime.scheduler,
        count: () => undefined,
        looks: [() => undefined, () => undefined],
        cut$: NEVER,
        ...config,
      }).subscribe({ next: (cut) => said.push(cut), error: fail, complete: () => said.push('complete') }),
    );
    return { said, splicing };
  }

  it('holds no more for a reader that does not read than it is told to', async () => {
    const { here, there, a, b } = await connections();
    let most = 0;
    const { said } = splice([a, b]);
    // It is most whenever it pauses the writer for it.
    a.on('pause', () => (most = Math.max(most, b.writableLength)));
    // More than the kernel has room for.
    const sent = randomBytes(32 * KIB * KIB);
    here.end(sent);
    // What each of the pieces costs besides its bytes is counted, too.
    const isStuck = () => a.isPaused() && b.writableLength >= LIMITS.bufferedBytes / 2;
    while (!isStuck()) await once(a, 'pause');
    expect((await allOf(there)).equals(sent)).toBeTrue();
    expect(most).toBeGreaterThanOrEqual(LIMITS.bufferedBytes / 2);
    // What is here, and one more read of the kernel's.
    expect(most).toBeLessThan(LIMITS.bufferedBytes + 64 * KIB);
    there.end();
    await Promise.all([closing(here), closing(a), closing(b)]);
    expect(said).toEqual(['complete']);
  });

  it('holds few pieces, however small they are, for a reader that does not read', async () => {
    const { here, there, a, b } = await connections();
    splice([a, b]);
    here.setNoDelay(true);
    let pieces = 0;
    a.on('data', (chunk: Buffer) => {
      pieces += chunk.length;
      if (!a.isPaused()) here.write('x');
    });
    // As if the kernel took none of it.
    b.cork();
    here.write('x');
    await once(a, 'pause');
    expect(pieces).toBeLessThanOrEqual(LIMITS.bufferedBytes / 256);
    b.uncork();
    await bytesOf(there, pieces);
    here.write('on it goes');
    expect(await bytesOf(there, 10)).toBe('on it goes');
  });

  it('passes no more than its rate, both ways together, and nothing gets lost', async () => {
    const { here, there, a, b } = await connections();
    const scheduler = new VirtualTimeScheduler();
    const bytesPerSecond = 100 * KIB;
    splice([a, b], { bytesPerSecond }, { scheduler });
    const sent = [randomBytes(400 * KIB), randomBytes(300 * KIB)] as const;
    here.end(sent[0]);
    there.end(sent[1]);
    // Time goes on only when the splice waits for it.
    for (const socket of [a, b]) {
      socket.on('pause', () => {
        setImmediate(() => {
          scheduler.flush();
        });
      });
    }
    const [atThere, atHere] = await Promise.all([allOf(there), allOf(here)]);
    expect(atThere.equals(sent[0])).toBeTrue();
    expect(atHere.equals(sent[1])).toBeTrue();
    // The first second's bytes are there at once, and the last ones may be a read of the kernel's too many.
    expect(scheduler.now()).toBeGreaterThanOrEqual(((700 - 100 - 64) / 100) * 1000);
    expect(scheduler.now()).toBeLessThanOrEqual(7_000);
  });

  it('is cut when nothing has moved for its idle time, and not before', async () => {
    const { here, there, a, b } = await connections();
    const tick = new Subject<undefined>();
    const { said } = splice([a, b], {}, { tick$: tick });
    for (let round = 0; round < 3; round++) {
      for (let count = 0; count < TICKS; count++) tick.next(undefined);
      here.write('x');
      expect(await bytesOf(there, 1)).toBe('x');
    }
    for (let count = 0; count < TICKS; count++) tick.next(undefined);
    expect(said).toEqual([]);
    tick.next(undefined);
    expect(said).toEqual(['idle', 'complete']);
    await Promise.all([closing(here), closing(there)]);
    expect(tick.observed).toBeFalse();
  });

  it('is cut when it has passed its bytes, before those that are too many', async () => {
    const { here, there, a, b } = await connections();
    const { said } = splice([a, b], { bytesPerSession: 10 });
    here.write('123456');
    await bytesOf(there, 6);
    there.write('12345');
    await Promise.all([closing(here), closing(there)]);
    expect(said).toEqual(['bytes', 'complete']);
  });

  it('is reset by unsubscribing, which cannot be mistaken for an orderly end', async () => {
    const { here, there, a, b } = await connections();
    const { splicing, said } = splice([a, b]);
    here.write('x');
    await bytesOf(there, 1);
    const failures = [here, there].map((socket) => once(socket.resume(), 'error'));
    splicing.unsubscribe();
    for (const failure of failures) {
      expect(await failure).toEqual([jasmine.objectContaining({ code: 'ECONNRESET' })]);
    }
    await Promise.all([closing(a), closing(b)]);
    expect(said).toEqual([]);
  });

  it('is over for both when one breaks off, also while its end is on the way', async () => {
    for (const break_ of [
      (here: Socket) => here.resetAndDestroy(),
      (here: Socket, there: Socket) => {
        there.end('end');
        here.resetAndDestroy();
      },
    ]) {
      const { here, there, a, b } = await connections();
      const { said } = splice([a, b]);
      here.write('x');
      await bytesOf(there, 1);
      break_(here, there);
      await Promise.all([closing(there), closing(a), closing(b)]);
      expect(said).toEqual(['complete']);
    }
  });
});
