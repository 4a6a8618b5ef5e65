import { connect } from 'node:net';
import type { Identity } from '../../lib/identity.js';
import {
  formatSessionRequest,
  parseSessionReply,
  SESSION_PROTOCOL,
  sessionProofOf,
  type SessionReply,
} from '../../lib/signalling/carriers/mailbox-lines.js';

/** A client of a mailbox that does as little as a client can, as that of Redis does, so that what is measured is the server. */
export interface RawMailbox {
  /** Puts a message for somebody; resolves when the server has it. */
  put(id: string, to: string, message: string): Promise<void>;
  /** Takes so many messages, and acknowledges them. */
  take(count: number): Promise<void>;
  close(): void;
}

const HOST = '127.0.0.1';
const LINE_END = '\r\n';

/** Receipts that are named in one line. */
const MOST_RECEIPTS = 128;

/** Opens a session with a mailbox server. */
export async function openRawMailbox(port: number, identity: Identity): Promise<RawMailbox> {
  const socket = connect({ host: HOST, port, noDelay: true }).setEncoding('latin1');
  let [unread, fail]: [string, (error: Error) => void] = ['', () => undefined];
  let onReply: (reply: SessionReply) => void = () => undefined;
  let onEnd: () => void = () => undefined;
  const say = (line: string) => socket.write(line + LINE_END);
  socket.on('error', (error) => {
    fail(error);
  });
  socket.on('data', (text: string) => {
    const lines = (unread + text).split(LINE_END);
    unread = lines.pop() ?? '';
    for (const line of lines) {
      const reply = parseSessionReply(line);
      if (reply?.verb === 'REFUSED' || reply?.verb === 'DECLINED') fail(new Error(line));
      else if (reply !== undefined) onReply(reply);
    }
    onEnd();
  });
  const answered = <T>(begin: (resolve: (value: T) => void) => void) =>
    new Promise<T>((resolve, reject) => {
      fail = reject;
      begin(resolve);
    });
  const server = `${HOST}:${port}`;
  const nonce = await answered<string>((resolve) => {
    // What comes before the first line is the answer by HTTP, whose lines are no replies.
    onReply = (reply) => {
      if (reply.verb === 'NONCE') resolve(reply.nonce);
    };
    const headers = [`Host: ${server}`, 'Connection: Upgrade', `Upgrade: ${SESSION_PROTOCOL}`];
    say(['GET /mailbox/session HTTP/1.1', ...headers, ''].join(LINE_END));
  });
  const { peerId } = identity;
  const dialled = { server, at: { address: HOST, port } };
  const signature = identity.sign(sessionProofOf(nonce, peerId, dialled));
  say(formatSessionRequest({ verb: 'PROVE', peerId, ...dialled, signature }));
  return {
    put: (id, to, message) =>
      answered((resolve) => {
        onReply = () => {
          resolve();
        };
        say(`PUT ${id} ${to} 600000 ${message}`);
      }),
    take: (count) =>
      answered((resolve) => {
        let left = count;
        const receipts: string[] = [];
        onReply = (reply) => {
          if (reply.verb !== 'MESSAGE') return;
          receipts.push(reply.receipt);
          left--;
        };
        // As many as have come at once are acknowledged at once.
        onEnd = () => {
          while (receipts.length > 0) say(`ACK ${receipts.splice(0, MOST_RECEIPTS).join(' ')}`);
          if (left <= 0) resolve();
        };
        say('TAKE');
      }),
    close: () => {
      socket.destroy();
    },
  };
}
