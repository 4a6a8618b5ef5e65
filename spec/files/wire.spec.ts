import { randomBytes } from 'node:crypto';
import { FILES_FRAME, FrameDecoder, type FilesFrame } from '../../lib/files/frames.js';
import { FrameChannel } from '../../lib/files/wire.js';
import { Lab } from '../support/nodes.js';
import { filesChannels } from '../support/transfers.js';

const PAYLOAD_BYTES = 200_000;

describe('What a transfer sends', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** Sends payloads over a path on which each takes some milliseconds, and returns the frames as they come. */
  async function sent(mayCompress: boolean, eachMs: number, payloads: readonly Buffer[]): Promise<FilesFrame[]> {
    const { sending, receiving } = await filesChannels(lab);
    let now = 0;
    const frames = new FrameChannel(sending, mayCompress, () => {
      now += eachMs;
      return now;
    });
    const decoder = new FrameDecoder();
    const received: FilesFrame[] = [];
    const end = (async () => {
      const chunks: AsyncIterable<Buffer> = receiving.toDuplex();
      for await (const chunk of chunks) received.push(...decoder.push(chunk));
    })();
    for (const payload of payloads) await frames.send(FILES_FRAME.pack, payload);
    frames.end();
    await end;
    return received;
  }

  const compressed = (frames: readonly FilesFrame[]) => frames.map(({ isCompressed }) => isCompressed);
  const text = Buffer.alloc(PAYLOAD_BYTES, 'what gets smaller ');

  it('is compressed where the path is slower than that', async () => {
    expect(compressed(await sent(true, 100, [text, text, text]))).toEqual([false, true, true]);
  });

  it('is not where the path is fast, or where that is not wanted', async () => {
    expect(compressed(await sent(true, 0.1, [text, text, text]))).toEqual([false, false, false]);
    expect(compressed(await sent(false, 100, [text, text, text]))).toEqual([false, false, false]);
  });

  it('is tried seldom where nothing gets smaller', async () => {
    const noise = Array.from({ length: 3 }, () => randomBytes(PAYLOAD_BYTES));
    expect(compressed(await sent(true, 100, [...noise, text]))).toEqual([false, false, false, false]);
  });

  it('is what was given, when it is read', async () => {
    const { sending, receiving } = await filesChannels(lab);
    let now = 0;
    const frames = new FrameChannel(sending, true, () => {
      now += 100;
      return now;
    });
    const payloads = [text, randomBytes(PAYLOAD_BYTES), text, Buffer.alloc(0), Buffer.from('short')];
    const received: Buffer[] = [];
    const reading = (async () => {
      for await (const { payload } of new FrameChannel(receiving, false).frames()) received.push(payload);
    })();
    for (const payload of payloads) await frames.send(FILES_FRAME.pack, payload);
    frames.end();
    await reading;
    expect(received.map((payload, index) => payload.equals(payloads[index] ?? Buffer.alloc(1)))).toEqual(
      payloads.map(() => true),
    );
  });
});
