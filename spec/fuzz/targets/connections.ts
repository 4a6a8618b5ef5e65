import { Duplex } from 'node:stream';
import { DEFAULT_LIMITS, DEFAULT_TIMING } from '../../../lib/config.js';
import { PeerConnection } from '../../../lib/connection/peer-connection.js';
import { contextOf } from '../../../lib/connection/start.js';
import { FramedLink, FramedWire } from '../../../lib/link/framed-link.js';
import { systemRuntime } from '../../../lib/runtime.js';
import { VirtualClock } from '../../connection/virtual-links.js';
import { chunksOf, expectThat, type Target } from '../target.js';
import { FRAMES } from './wire.js';

/** Short lines and small buffers, so that inputs reach the limits. */
const LIMITS = { ...DEFAULT_LIMITS, lineBytes: 1_000 };

/** A link whose other end is this target's. */
class Wire extends Duplex {
  override _read(): void {
    // What arrives is pushed.
  }

  override _write(_chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    done();
  }
}

const ENDPOINT = { address: '127.0.0.1', port: 1 };

function channelOver(stream: Duplex, technique: string): FramedLink {
  return new FramedLink(
    { peerId: 'A'.repeat(43), stream, local: ENDPOINT, remote: ENDPOINT, technique, direct: technique !== 'relay' },
    new FramedWire(),
  );
}

/** A peer that has proven its key and speaks frames, over one link or two, and a clock that goes on in leaps. */
const connection: Target = {
  name: 'connections',
  reaches: ['lib/connection', 'lib/link/framed-link'],
  seeds: [
    ...FRAMES,
    Buffer.concat(FRAMES.slice(0, 4)),
    Buffer.concat(FRAMES),
    Buffer.concat(FRAMES.slice(2).reverse()),
  ],
  concurrent: 8,
  run: async (input, chance) => {
    const clock = new VirtualClock();
    const runtime = { ...systemRuntime, scheduler: clock };
    const links = [new Wire(), new Wire()];
    const [first, second] = links.map((link, i) => channelOver(link, i === 0 ? 'relay' : 'direct'));
    if (first === undefined || second === undefined) return;
    const start = {
      id: 'A'.repeat(22),
      direction: 'inbound',
      confirmed: chance.below(2) === 0,
      isControlling: chance.below(2) === 0,
    } as const;
    const peer = new PeerConnection(first, start, contextOf({ timing: DEFAULT_TIMING, limits: LIMITS }, runtime));
    let heard = 0;
    if (chance.below(3) > 0) {
      peer.lines$.subscribe((line) => {
        heard += line.length + 1;
        expectThat(Buffer.byteLength(line) <= LIMITS.lineBytes, 'Expected lines of at most so many bytes', line.length);
      });
    }
    peer.send('hello');
    if (chance.below(2) === 0) peer.offer(second);
    for (const chunk of chunksOf(input, chance)) {
      const link = chance.below(4) === 0 ? links[1] : links[0];
      if (link?.destroyed === false) link.push(chunk);
      if (chance.below(8) === 0) await new Promise(setImmediate);
      if (chance.below(8) === 0) clock.pass(chance.of([1, 200, 1_000, 20_000] as const));
      if (chance.below(64) === 0) peer.close();
    }
    if (chance.below(2) === 0) links[0]?.push(null);
    await new Promise(setImmediate);
    expectThat(heard <= input.length, 'Expected no more lines than bytes', heard, input.length);
    peer.destroy();
    for (const link of links) link.destroy();
    await new Promise(setImmediate);
    clock.pass(100_000);
  },
};

export function connectionTargets(): readonly Target[] {
  return [connection];
}
