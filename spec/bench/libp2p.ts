import type { TLSSocket } from 'node:tls';
import { yamux } from '@chainsafe/libp2p-yamux';
import type { Stream } from '@libp2p/interface';
import { defaultLogger } from '@libp2p/logger';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { AbstractMessageStream } from '@libp2p/utils';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { tlsEnds } from './nodes.js';
import { MESSAGE, NAME, type Opener } from './openings.js';

// libp2p uses it, and Node 20 lacks it.
if (!('withResolvers' in Promise)) Object.defineProperty(Promise, 'withResolvers', { value: withResolvers });

/** As many as the benchmark opens at once, and those that are still being closed; the default is 32 from a peer. */
const STREAMS = { maxInboundStreams: 1_000, maxOutboundStreams: 1_000 };

/** libp2p's yamux alone: streams without names, over a TLS 1.3 socket of Node's. */
export function yamuxOpener(): Opener {
  const muxerOver = (socket: TLSSocket, direction: 'inbound' | 'outbound') =>
    yamux()().createStreamMuxer(new SocketStream(socket, direction));
  const ends = tlsEnds();
  return {
    listen: () =>
      ends.listen((socket) => {
        muxerOver(socket, 'inbound').addEventListener('stream', ({ detail }) => {
          answer(detail);
        });
      }),
    connect: async (where) => {
      const muxer = muxerOver(await ends.connect(where), 'outbound');
      return async () => exchange(await muxer.createStream());
    },
  };
}

/** A whole node of libp2p's: TCP, TLS and yamux, and a name agreed on for each stream, without waiting for the answer to that. */
export function libp2pOpener(): Opener {
  const make = () =>
    createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [tls()],
      streamMuxers: [yamux()],
      connectionMonitor: { enabled: false },
    });
  return {
    listen: async () => {
      const node = await make();
      await node.handle(NAME, answer, STREAMS);
      return String(node.getMultiaddrs()[0]);
    },
    connect: async (where) => {
      const connection = await (await make()).dial(multiaddr(where));
      return async () => exchange(await connection.newStream(NAME, { negotiateFully: false, ...STREAMS }));
    },
  };
}

function withResolvers() {
  let [resolve, reject]: ((value: unknown) => void)[] = [];
  const promise = new Promise((onValue, onError) => {
    [resolve, reject] = [onValue, onError];
  });
  return { promise, resolve, reject };
}

function answer(stream: Stream): void {
  stream.addEventListener('message', ({ data }) => {
    stream.send(data);
    void stream.close();
  });
}

async function exchange(stream: Stream): Promise<void> {
  const closed = new Promise((resolve) => {
    stream.addEventListener('close', resolve);
  });
  let answered = 0;
  stream.addEventListener('message', ({ data }) => {
    answered += data.byteLength;
  });
  stream.send(Buffer.from(MESSAGE));
  await stream.close();
  await closed;
  if (answered !== MESSAGE.length) throw new Error(`Expected an answer of ${MESSAGE.length} bytes, got ${answered}`);
}

/** A socket of Node's as yamux wants what it is over. */
class SocketStream extends AbstractMessageStream {
  readonly #socket: TLSSocket;

  constructor(socket: TLSSocket, direction: 'inbound' | 'outbound') {
    super({ log: defaultLogger().forComponent('bench'), direction });
    this.#socket = socket;
    socket
      .on('data', (bytes: Buffer) => {
        this.onData(bytes);
      })
      .on('drain', () => {
        this.safeDispatchEvent('drain');
      })
      .on('error', (error: Error) => {
        this.abort(error);
      });
  }

  sendData(data: Iterable<Uint8Array>): { sentBytes: number; canSendMore: boolean } {
    let sentBytes = 0;
    let canSendMore = true;
    for (const bytes of data) {
      sentBytes += bytes.byteLength;
      canSendMore = this.#socket.write(bytes);
    }
    return { sentBytes, canSendMore };
  }

  sendReset(): void {
    this.#socket.destroy();
  }

  sendPause(): void {
    this.#socket.pause();
  }

  sendResume(): void {
    this.#socket.resume();
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.end(resolve);
    });
  }
}
