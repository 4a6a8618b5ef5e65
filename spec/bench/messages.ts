import { firstValueFrom, noop } from 'rxjs';
import type { Benchmark } from './benchmark.js';
import { read, rxp2pNet, tlsEnds } from './nodes.js';
import { MEASURED, sendingOf, sendingOver, throughput, type Way } from './throughput.js';

const MESSAGE_BYTES = 64;

/** `length u32`, big-endian, before each message: the same on both. */
const LENGTH_BYTES = 4;

/** Different ones, so that nothing can be remembered of a message from the last time. */
const MESSAGES = Array.from({ length: 1_000 }, (_, index) => Buffer.alloc(MESSAGE_BYTES, `message ${index} `));

const BATCH_BYTES = 65_536;

/** Small messages over one connection, from one process to another, one `sendMessage` each, received one by one. */
export const messages: Benchmark = {
  name: 'messages',
  about: `messages of ${MESSAGE_BYTES} bytes over one connection between two processes: ours by sendMessage and messages$ of the connection; the other a bare TLS 1.3 loop with a length before each message, put before it when it is sent and written with it, or ready-made, ${BATCH_BYTES / 1024} KiB of them a write; ${MEASURED}`,
  ...throughput({
    thing: 'message',
    show: (rate) => `${(rate / 1e6).toFixed(2)} M/s`,
    showCpu: (ms) => `${(ms * 1e6).toFixed(0)} ns`,
    ways: {
      rxp2p: {
        receive: (count) => {
          const net = rxp2pNet();
          read(net.connections$, (connection) => {
            read(connection.messages$, counting(count));
          });
          return firstValueFrom(net.unl$);
        },
        connect: async (unl) => {
          const connection = await firstValueFrom(rxp2pNet().connect$(unl));
          return {
            fill: sendingOf(MESSAGES, (message) => connection.sendMessage(message)),
            onDrain: (next) => {
              read(connection.drain$, next);
            },
          };
        },
      },
      single: tls(async (where) => {
        const socket = await tlsEnds().connect(where);
        return sendingOver(socket, MESSAGES, (message) => socket.write(framed(message)));
      }),
      batch: tls(async (where) => {
        const socket = await tlsEnds().connect(where);
        return sendingOver(socket, [batch()], (bytes) => socket.write(bytes));
      }),
    },
    pairs: [
      { ours: 'rxp2p', other: 'single', words: 'messages$ : TLS 1.3, a write a message', target: { atLeast: 1 } },
      { ours: 'rxp2p', other: 'batch', words: 'messages$ : TLS 1.3, 64 KiB a write' },
    ],
  }),
};

function tls(connect: Way['connect']): Way {
  return {
    receive: (count) =>
      tlsEnds().listen((socket) => {
        const take = unframing(counting(count));
        socket.on('error', noop).on('data', take);
      }),
    connect,
  };
}

function framed(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + message.length);
  frame.writeUInt32BE(message.length);
  message.copy(frame, LENGTH_BYTES);
  return frame;
}

/** Whole messages. */
function batch(): Buffer {
  const most = Math.floor(BATCH_BYTES / (LENGTH_BYTES + MESSAGE_BYTES));
  return Buffer.concat(MESSAGES.slice(0, most).map(framed));
}

/** Hands out the messages of what comes, piece by piece. */
function unframing(next: (message: Buffer) => void): (piece: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (piece) => {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    let from = 0;
    while (bytes.length - from >= LENGTH_BYTES) {
      const to = from + LENGTH_BYTES + bytes.readUInt32BE(from);
      if (to > bytes.length) break;
      next(bytes.subarray(from + LENGTH_BYTES, to));
      from = to;
    }
    rest = bytes.subarray(from);
  };
}

function counting(count: (amount: number) => void): (message: Buffer) => void {
  return ({ length }) => {
    if (length !== MESSAGE_BYTES) throw new Error(`Expected a message of ${MESSAGE_BYTES} bytes, got ${length}`);
    count(1);
  };
}
