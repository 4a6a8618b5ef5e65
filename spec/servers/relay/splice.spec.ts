import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { noop, VirtualTimeScheduler } from 'rxjs';
import { systemRuntime } from '../../../lib/runtime.js';
import { Blocks } from '../../../servers/relay/blocks.js';
import { ReusedBuffer } from '../../../servers/relay/reused-buffer.js';
import { Splice, TICKS, type SpliceLimits, type SpliceShared } from '../../../servers/relay/splice.js';
import { addressOf, Lab } from '../../support/nodes.js';
import { allOf, bytesOf, closing } from '../../support/relay.js';

const KIB = 1024;

const LIMITS: SpliceLimits = {
  idleMs: 1_000,
  bytesPerSession: Number.POSITIVE_INFINITY,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  bufferedBytes: 64 * KIB,
};

/** How sockets read: into a buffer that is used again, and as they do where the platform has no such thing. */
const WAYS_TO_READ: readonly (readonly [string, SpliceShared['buffer']])[] = [
  ['that reads into a buffer again and again', new ReusedBuffer()],
  ['that reads into new buffers', { readFrom: () => false }],
];

for (const [name, buffer] of WAYS_TO_READ)
  describe(`A splice ${name}`, () => {
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
      [a, b]: readonly [Socket, Socket],
      limits: Partial<SpliceLimits> = {},
      shared: Partial<SpliceShared> = {},
    ): { readonly said: string[]; readonly pair: Splice } {
      const said: string[] = [];
      const all = { ...LIMITS, ...limits };
      const nodes = [
        { socket: a, site: 'a' },
        { socket: b, site: 'b' },
      ] as const;
      const pair = new Splice(nodes, 'a', {
        limits: all,
        bufferedBytes: all.bufferedBytes,
        scheduler: systemRuntime.scheduler,
        buffer,
        blocks: new Blocks(),
        unread: { look: noop, forget: noop },
        passed: noop,
        cut: (why) => said.push(why),
        left: ({ site }) => said.push(`${site} left`),
        parted: () => said.push('parted'),
        ...shared,
      });
      pair.start();
      lab.onClose(() => {
        pair.close();
      });
      return { said, pair };
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
      expect(said.toSorted()).toEqual(['a left', 'b left', 'parted']);
    });

    it('holds few pieces, however small they are, for a reader that does not read', async () => {
      const { here, there, a, b } = await connections();
      here.setNoDelay(true);
      let pieces = 0;
      const passed = (bytes: number) => {
        pieces += bytes;
        // Once it is written.
        queueMicrotask(() => {
          if (!a.isPaused()) here.write('x');
        });
      };
      splice([a, b], {}, { passed });
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
      const { said, pair } = splice([a, b]);
      const tick = () => {
        for (let count = 0; count < TICKS; count++) pair.tick();
      };
      for (let round = 0; round < 3; round++) {
        tick();
        here.write('x');
        expect(await bytesOf(there, 1)).toBe('x');
      }
      tick();
      expect(said).toEqual([]);
      pair.tick();
      expect(said).toEqual(['idle', 'parted']);
      await Promise.all([closing(here), closing(there)]);
    });

    it('is cut when it has passed its bytes, before those that are too many', async () => {
      const { here, there, a, b } = await connections();
      const { said } = splice([a, b], { bytesPerSession: 10 });
      here.write('123456');
      await bytesOf(there, 6);
      there.write('12345');
      await Promise.all([closing(here), closing(there)]);
      expect(said.slice(0, 2)).toEqual(['bytes', 'parted']);
    });

    it('is reset when it is closed, which cannot be mistaken for an orderly end', async () => {
      const { here, there, a, b } = await connections();
      const { pair, said } = splice([a, b]);
      here.write('x');
      await bytesOf(there, 1);
      const failures = [here, there].map((socket) => once(socket.resume(), 'error'));
      pair.close();
      for (const failure of failures) {
        expect(await failure).toEqual([jasmine.objectContaining({ code: 'ECONNRESET' })]);
      }
      await Promise.all([closing(a), closing(b)]);
      expect(said).toEqual(['parted', 'a left', 'b left']);
    });

    it('passes on what each has read before, and what has come for it meanwhile, in order', async () => {
      const { here, there, a, b } = await connections();
      here.write('second ');
      a.unshift('first ');
      splice([a, b]);
      expect(await bytesOf(there, 6)).toBe('first ');
      expect(await bytesOf(there, 7)).toBe('second ');
      here.end('third');
      expect((await allOf(there)).toString()).toBe('third');
    });

    it('mixes up nothing of pairs that share what they read into, one of which has a reader that is slow', async () => {
      const blocks = new Blocks();
      const [slow, fast] = [await connections(), await connections()];
      for (const { a, b } of [slow, fast]) splice([a, b], {}, { blocks });
      // More than the kernel has room for.
      const [held, sent] = [randomBytes(32 * KIB * KIB), randomBytes(8 * KIB * KIB)];
      slow.here.end(held);
      while (!(slow.a.isPaused() && slow.b.writableLength > 0)) await once(slow.a, 'pause');
      fast.here.end(sent);
      expect((await allOf(fast.there)).equals(sent)).toBeTrue();
      expect((await allOf(slow.there)).equals(held)).toBeTrue();
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
        expect(said.toSorted()).toEqual(['a left', 'b left', 'parted']);
      }
    });
  });
