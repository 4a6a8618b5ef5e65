import { firstValueFrom, noop } from 'rxjs';
import split2 from 'split2';
import type { Benchmark } from './benchmark.js';
import { read, rxp2pNet, tlsEnds } from './nodes.js';
import { MEASURED, sendingOf, sendingOver, throughput, type Way } from './throughput.js';

/** 99 characters, and the newline makes 100 bytes. */
const LINE_LENGTH = 99;

/** Different lines, so that nothing can be remembered of a line from the last time. */
const LINES = Array.from({ length: 1_000 }, (_, index) => String(index).padStart(LINE_LENGTH, 'line '));

const BATCH_BYTES = 65_536;

/** 100-byte lines over one connection, from one process to another, one `send` each, received one by one. */
export const lines: Benchmark = {
  name: 'lines',
  about: `100-byte lines over one connection between two processes: ours are texts, one send each, and read from net.lines$, or from lines$ of the connection; the others are ready-made Buffers, one write each or ${BATCH_BYTES / 1024} KiB of them a write, over TLS 1.3 with 256 KiB of room for waiting writes, and read with split2; ${MEASURED}`,
  ...throughput({
    thing: 'line',
    show: (rate) => `${(rate / 1e6).toFixed(2)} M/s`,
    showCpu: (ms) => `${(ms * 1e6).toFixed(0)} ns`,
    ways: {
      net: rxp2p((count) => {
        const net = rxp2pNet();
        read(net.lines$, ({ text }) => {
          count(text);
        });
        return firstValueFrom(net.unl$);
      }),
      connection: rxp2p((count) => {
        const net = rxp2pNet();
        read(net.connections$, (connection) => {
          read(connection.lines$, count);
        });
        return firstValueFrom(net.unl$);
      }),
      single: tls(LINES.map((text) => Buffer.from(`${text}\n`))),
      batch: tls(batches()),
    },
    pairs: [
      {
        ours: 'net',
        other: 'single',
        words: 'net.lines$ : TLS 1.3 + split2, a write a line',
        target: { atLeast: 1.5 },
      },
      { ours: 'net', other: 'batch', words: 'net.lines$ : TLS 1.3 + split2, 64 KiB a write', target: { atLeast: 1 } },
      { ours: 'connection', other: 'batch', words: 'connection.lines$ : TLS 1.3 + split2, 64 KiB a write' },
    ],
  }),
};

type CountLine = (text: string) => void;

function rxp2p(receive: (count: CountLine) => Promise<string>): Way {
  return {
    receive: (count) => receive(counting(count)),
    connect: async (unl) => {
      const connection = await firstValueFrom(rxp2pNet().connect$(unl));
      return {
        fill: sendingOf(LINES, (text) => connection.send(text)),
        onDrain: (next) => {
          read(connection.drain$, next);
        },
      };
    },
  };
}

function tls(writes: readonly Buffer[]): Way {
  return {
    receive: (count) =>
      tlsEnds().listen((socket) => {
        socket.on('error', noop).pipe(split2()).on('data', counting(count));
      }),
    connect: async (where) => {
      const socket = await tlsEnds().connect(where);
      return sendingOver(socket, writes, (bytes) => socket.write(bytes));
    },
  };
}

/** Whole lines in each. */
function batches(): readonly Buffer[] {
  const most = Math.floor(BATCH_BYTES / (LINE_LENGTH + 1));
  const batch = (from: number) =>
    Buffer.from(Array.from({ length: most }, (_, index) => `${LINES[(from + index) % LINES.length] ?? ''}\n`).join(''));
  return Array.from({ length: 8 }, (_, index) => batch(index * most));
}

function counting(count: (amount: number) => void): CountLine {
  return ({ length }) => {
    if (length !== LINE_LENGTH) throw new Error(`Expected a line of ${LINE_LENGTH} characters, got ${length}`);
    count(1);
  };
}
