import type { Duplex } from 'node:stream';

/** So much may wait here, in bytes, until the stream is paused: what it holds itself waits as well. */
const MOST_BYTES = 262_144;

/**
 * The pieces of a stream, as they come: an iterator of Node's joins them, which copies each byte once more.
 *
 * @throws the error of the stream.
 */
export async function* chunksOf(stream: Duplex): AsyncGenerator<Buffer, undefined> {
  const waiting: Buffer[] = [];
  let bytes = 0;
  let isOver = stream.readableEnded || stream.destroyed;
  let failure: Error | undefined;
  let wake: () => void = () => undefined;
  const onData = (chunk: Buffer) => {
    waiting.push(chunk);
    bytes += chunk.length;
    if (bytes >= MOST_BYTES) stream.pause();
    wake();
  };
  const onOver = () => {
    isOver = true;
    wake();
  };
  const onError = (error: Error) => {
    failure = error;
    wake();
  };
  stream.on('data', onData).once('end', onOver).once('close', onOver).once('error', onError);
  try {
    for (;;) {
      for (const chunk of waiting.splice(0)) {
        yield chunk;
        bytes -= chunk.length;
      }
      if (failure !== undefined) throw failure;
      if (waiting.length > 0) continue;
      if (isOver) break;
      if (stream.isPaused()) stream.resume();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    stream.off('data', onData).off('end', onOver).off('close', onOver).off('error', onError).pause();
  }
  // It may have been cut off, which its reader finds out.
  if (!stream.readableEnded) throw new Error('The stream was closed before its end');
  return undefined;
}
