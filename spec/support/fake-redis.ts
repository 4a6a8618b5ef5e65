import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** What a fake Redis answers to a command: bytes as they are, or `undefined` for what a Redis says. */
export type FakeAnswer = (words: readonly string[], socket: Socket) => string | Buffer | undefined;

/** A server on loopback that answers like a Redis, but for what it is told. */
export interface FakeRedis {
  readonly url: string;
  /** Ends it, and all connections to it. */
  close(): void;
}

/** Starts a fake Redis. It keeps nothing: a request that is none of the first of a client is answered with an empty list. */
export async function fakeRedis(answer: FakeAnswer): Promise<FakeRedis> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    let waiting = '';
    socket.setEncoding('latin1').on('data', (text: string) => {
      waiting += text;
      for (;;) {
        const command = firstCommandOf(waiting);
        if (command === undefined) return;
        waiting = waiting.slice(command.length);
        socket.write(answer(command.words, socket) ?? usualAnswer(command.words), 'latin1');
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `redis://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A text as Redis writes it. */
export function bulk(text: string): string {
  return `$${Buffer.byteLength(text, 'latin1')}\r\n${text}\r\n`;
}

function firstCommandOf(text: string): { readonly words: readonly string[]; readonly length: number } | undefined {
  const [head, count] = /^\*(\d+)\r\n/.exec(text) ?? [];
  if (head === undefined) return undefined;
  const words: string[] = [];
  let at = head.length;
  for (let left = Number(count); left > 0; left--) {
    const [line, length] = /^\$(\d+)\r\n/.exec(text.slice(at, at + 16)) ?? [];
    if (line === undefined) return undefined;
    const from = at + line.length;
    at = from + Number(length) + 2;
    if (at > text.length) return undefined;
    words.push(text.slice(from, at - 2));
  }
  return { words, length: at };
}

function usualAnswer([verb = '', ...words]: readonly string[]): string {
  switch (verb.toLowerCase()) {
    case 'hello':
      return `%1\r\n${bulk('proto')}:3\r\n`;
    case 'info':
      return bulk('redis_version:7.0.0\r\ncluster_enabled:0\r\n');
    case 'ping':
      return '+PONG\r\n';
    case 'publish':
      return ':0\r\n';
    case 'subscribe':
    case 'unsubscribe':
      return words.map((name, index) => `>3\r\n${bulk(verb.toLowerCase())}${bulk(name)}:${index + 1}\r\n`).join('');
    default:
      return '*0\r\n';
  }
}
