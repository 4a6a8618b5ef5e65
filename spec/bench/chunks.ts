import type { Duplex } from 'node:stream';
import { firstValueFrom, noop } from 'rxjs';
import type { Connection, Net } from '../../lib/index.js';
import type { Benchmark } from './benchmark.js';
import { read, rxp2pNet, tlsEnds } from './nodes.js';
import { MEASURED, sendingOver, throughput, type Sending, type Way } from './throughput.js';

const CHUNK = Buffer.alloc(65_536, 'a chunk of what one program sends to the other ');

/** By which both sides know the channel. */
const NAME = 'chunks';

/** Bulk as a Node stream, over a connection and over a channel of it. */
export const chunks: Benchmark = {
  name: 'chunks',
  about: `chunks of ${CHUNK.length / 1024} KiB written to a Node stream and read in flowing mode: toDuplex() of a connection and of a channel against a bare TLS 1.3 socket with as much room for waiting writes; ${MEASURED}`,
  ...throughput({
    thing: 'byte',
    show: (rate) => `${(rate / 1e6).toFixed(0)} MB/s`,
    showCpu: (ms) => `${((ms / 1000) * 1e9).toFixed(2)} s/GB`,
    ways: {
      connection: rxp2p(
        (net, next) => {
          read(net.connections$, (connection) => {
            next(connection.toDuplex());
          });
        },
        (connection) => connection.toDuplex(),
      ),
      channel: rxp2p(
        (net, next) => {
          read(net.channels$(NAME), (channel) => {
            // The connection is closed first.
            next(channel.toDuplex().on('error', noop));
          });
        },
        (connection) => connection.openChannel(NAME).toDuplex().on('error', noop),
      ),
      tls: {
        receive: (count) =>
          tlsEnds().listen((socket) => {
            receive(socket, count);
          }),
        connect: async (where) => writing(await tlsEnds().connect(where)),
      },
    },
    pairs: [
      { ours: 'connection', other: 'tls', words: 'toDuplex() of a connection : TLS 1.3', target: { atLeast: 0.95 } },
      { ours: 'channel', other: 'tls', words: 'toDuplex() of a channel : TLS 1.3', target: { atLeast: 0.95 } },
    ],
  }),
};

function rxp2p(
  accept: (net: Net, next: (stream: Duplex) => void) => void,
  open: (connection: Connection) => Duplex,
): Way {
  return {
    receive: (count) => {
      const net = rxp2pNet();
      accept(net, (stream) => {
        receive(stream, count);
      });
      return firstValueFrom(net.unl$);
    },
    connect: async (unl) => writing(open(await firstValueFrom(rxp2pNet().connect$(unl)))),
  };
}

function receive(stream: Duplex, count: (amount: number) => void): void {
  stream.on('error', noop).on('data', ({ length }: Buffer) => {
    count(length);
  });
}

function writing(stream: Duplex): Sending {
  return sendingOver(stream, [CHUNK], (bytes) => stream.write(bytes));
}
