import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { lastValueFrom, noop, Subscription } from 'rxjs';
import { createIdentity } from '../../lib/index.js';
import { systemRuntime } from '../../lib/runtime.js';
import { Receipts } from '../../lib/signalling/carriers/mailbox-receipts.js';
import { mailboxSession$, type MailboxSession } from '../../lib/signalling/carriers/mailbox-session.js';
import { mailboxServer$ } from '../../servers/index.js';
import { numberOf, textOf, type Actor, type Role, type Start, type Values } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { footprint } from './footprint.js';
import { inParallel } from './parallel.js';
import { ratioOf } from './ratio.js';
import { openRawMailbox, type RawMailbox } from './raw-mailbox.js';
import { connectRedis, hasRedis, startRedis, type RedisClient, type Reply } from './redis.js';
import { freePort } from '../support/free-port.js';

const ROUNDS = 15;

/** Code is compiled while it runs: what comes before this is not counted. */
const WARM_UP_ROUNDS = 4;

/** Of each round. */
const MESSAGES = 5_000;

/** Senders: each waits for the answer before it sends the next. */
const AT_ONCE = 64;

/** As large as the signals that nodes exchange. */
const MESSAGE = 'x'.repeat(400);

const ENCODED = Buffer.from(MESSAGE).toString('base64url');

/** Long polls that wait, each of an owner of its own. */
const POLLS = 10_000;

/** Of the server, for each receiver that waits. */
const MOST_WAITING_BYTES = 6 * 1024;

/** Below what a server lets one address have. */
const POLLS_PER_ADDRESS = 100;

/** As long as a server lets them wait: all of it is measured within. */
const WAIT_MS = 30_000;

const HOST = '127.0.0.1';

/** A mailbox beside a Redis stream. */
export const mailbox: Benchmark = {
  name: 'mailbox',
  about: `the mailbox, in sessions on which a key is proven once, against a Redis stream (XADD, XREADGROUP, XACK, XDEL) that proves nothing; both answer when the message is on the disk (fsync), and both clients do as little as they can; ${AT_ONCE} senders with a connection each, ${MESSAGES} messages of ${MESSAGE.length} bytes a round, ${ROUNDS} rounds; then ${POLLS} receivers that wait, each with a session, against as many XREAD BLOCK, resident set each`,
  roles: { server: serverOf, clients: clientsOf },
  measure: async function* (start) {
    if (!hasRedis()) {
      console.log('There is no redis-server on this machine to compare with (apt-get install redis-server).');
      return;
    }
    const kinds = ['rxp2p', 'redis'] as const;
    const [ours, other] = await Promise.all(kinds.map((kind) => open(kind, start)));
    if (ours === undefined || other === undefined) throw new RangeError('Expected two');
    const rates = { ours: { put: [0], deliver: [0] }, other: { put: [0], deliver: [0] } };
    for (const question of ['put', 'deliver'] as const) {
      for (let round = 0; round < WARM_UP_ROUNDS; round++)
        for (const { clients } of [ours, other]) await clients.ask(question);
      rates.ours[question] = [];
      rates.other[question] = [];
      for (let round = 0; round < ROUNDS; round++) {
        for (const [side, { clients }] of [
          ['other', other],
          ['ours', ours],
        ] as const) {
          const { ms } = await clients.ask(question);
          rates[side][question].push(MESSAGES / (Number(ms) / 1000));
        }
      }
    }
    await Promise.all([ours, other].flatMap(({ server, clients }) => [server.end(), clients.end()]));
    const aSecond = (rate: number) => `${rate.toFixed(0)}/s`;
    yield ratioOf({
      what: 'mailbox puts a second : Redis stream',
      ours: rates.ours.put,
      other: rates.other.put,
      show: aSecond,
      target: { atLeast: 0.5 },
    });
    yield ratioOf({
      what: 'mailbox messages put, taken and acknowledged : Redis stream',
      ours: rates.ours.deliver,
      other: rates.other.deliver,
      show: aSecond,
      target: { atLeast: 0.5 },
    });
    const parked = { ours: await park('rxp2p', start), other: await park('redis', start) };
    const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`;
    yield ratioOf({
      what: 'resident set a receiver that waits : Redis XREAD BLOCK',
      ours: [parked.ours],
      other: [parked.other],
      show: kib,
    });
    yield ratioOf({
      what: 'resident set a receiver that waits : its limit',
      ours: [parked.ours],
      other: [MOST_WAITING_BYTES],
      show: kib,
      target: { atMost: 1 },
    });
  },
};

/** A fresh server, and a process of clients that know where it is. */
async function open(kind: string, start: Start): Promise<{ readonly server: Actor; readonly clients: Actor }> {
  const server = start('server', kind);
  const clients = start('clients', kind);
  await clients.ask('connect', await server.ask('listen'));
  return { server, clients };
}

/** The resident set that a poll which waits costs a fresh server, in bytes. */
async function park(kind: string, start: Start): Promise<number> {
  const { server, clients } = await open(kind, start);
  await clients.ask('prepare');
  const before = numberOf(await server.ask('measure'), 'rss');
  await clients.ask('park');
  const after = numberOf(await server.ask('measure'), 'rss');
  const { parked } = await clients.ask('count');
  if (parked !== POLLS) throw new Error(`Expected ${POLLS} polls to wait, but only ${parked ?? 0} do`);
  await Promise.all([server.end(), clients.end()]);
  return (after - before) / POLLS;
}

function serverOf(kind: string): ReturnType<Role> {
  return kind === 'redis' ? redisServer() : mailboxServer();
}

function mailboxServer(): ReturnType<Role> {
  const most = 1_000_000;
  const bytes = 2 ** 30;
  const limits = {
    messages: most,
    messagesPerHost: most,
    messagesPerSender: most,
    messagesPerRecipient: most,
    bytes,
    bytesPerHost: bytes,
    bytesPerSender: bytes,
    bytesPerRecipient: bytes,
    putBurst: most,
    requestBurst: most,
    lineBurst: most,
  };
  return {
    listen: () => {
      const dataFolder = mkdtempSync(join(tmpdir(), 'rxp2p-bench-mailbox-'));
      process.once('exit', () => {
        rmSync(dataFolder, { recursive: true, force: true });
      });
      return new Promise<Values>((resolve, reject) => {
        mailboxServer$({ bind: HOST, port: 0, dataFolder, limits }).subscribe({
          next: ({ local }) => {
            resolve({ where: String(local.port) });
          },
          error: reject,
        });
      });
    },
    measure: footprint,
  };
}

async function redisServer(): Promise<Awaited<ReturnType<Role>>> {
  const redis = await startRedis(await freePort());
  return {
    listen: () => ({ where: String(redis.port) }),
    measure: async () => {
      await pause(1_500);
      return { rss: redis.rss() };
    },
  };
}

function clientsOf(kind: string): ReturnType<Role> {
  return kind === 'redis' ? redisClients() : mailboxClients();
}

/** How long something takes. */
async function timed(action: () => Promise<unknown>): Promise<Values> {
  const begun = performance.now();
  await action();
  return { ms: performance.now() - begun };
}

/** The loopback address of one of many. */
function addressOf(index: number): string {
  return `127.0.2.${Math.floor(index / POLLS_PER_ADDRESS) + 1}`;
}

function mailboxClients(): ReturnType<Role> {
  let url = new URL('http://127.0.0.1/');
  let parked = 0;
  const held = new Subscription();
  /** A session that is held, of a node of its own unless one is given. */
  const open = (identity = createIdentity(), localAddress?: string) =>
    new Promise<MailboxSession>((resolve, reject) => {
      const config = { identity, localAddress, withinMs: WAIT_MS, runtime: systemRuntime, readClock: noop };
      held.add(mailboxSession$(url, config).subscribe({ next: resolve, error: reject }));
    });
  let senders: readonly RawMailbox[] = [];
  /** Connections of one node, that of each sender, which are held for all rounds. */
  const allSenders = async () => {
    const identity = createIdentity();
    if (senders.length === 0)
      senders = await Promise.all(Array.from({ length: AT_ONCE }, () => openRawMailbox(Number(url.port), identity)));
    return senders;
  };
  const putAll = async (all: readonly RawMailbox[], to: string) => {
    let left = MESSAGES;
    await inParallel(all, AT_ONCE, async (sender) => {
      while (left-- > 0) await sender.put(`${left}`, to, ENCODED);
    });
  };
  return {
    connect: (values) => {
      url = new URL(`http://${HOST}:${textOf(values, 'where')}/`);
      return {};
    },
    put: async () => {
      const all = await allSenders();
      return timed(() => putAll(all, createIdentity().peerId));
    },
    deliver: async () => {
      const identity = createIdentity();
      const [all, receiver] = [await allSenders(), await openRawMailbox(Number(url.port), identity)];
      const told = await timed(() => Promise.all([putAll(all, identity.peerId), receiver.take(MESSAGES)]));
      receiver.close();
      return told;
    },
    prepare: () => ({}),
    park: async () => {
      parked = POLLS;
      const leave = () => parked--;
      let last: MailboxSession | undefined;
      for (let index = 0; index < POLLS; index++) {
        last = await open(createIdentity(), addressOf(index));
        held.add(last.messages$(new Receipts(() => performance.now())).subscribe({ error: leave, complete: leave }));
      }
      // Once this is answered, those before it wait.
      const { peerId: to } = createIdentity();
      const session = await open();
      await lastValueFrom(session.put$({ to, id: 'last', keepMs: 1, message: ENCODED }));
      return {};
    },
    count: () => ({ parked }),
  };
}

function redisClients(): ReturnType<Role> {
  let port = 0;
  let parked = 0;
  let streams = 0;
  const connectAll = (count: number) => Promise.all(Array.from({ length: count }, () => connectRedis(port)));
  const putAll = async (senders: readonly RedisClient[], stream: string) => {
    let left = MESSAGES;
    await inParallel(senders, AT_ONCE, async (sender) => {
      while (left-- > 0) await sender.ask('XADD', stream, '*', 'from', 'somebody', 'message', MESSAGE);
    });
  };
  return {
    connect: (values) => {
      port = Number(textOf(values, 'where'));
      return {};
    },
    put: async () => {
      const senders = await connectAll(AT_ONCE);
      return timed(() => putAll(senders, `stream-${streams++}`));
    },
    deliver: async () => {
      const [senders, receiver] = [await connectAll(AT_ONCE), await connectRedis(port)];
      const stream = `stream-${streams++}`;
      await receiver.ask('XGROUP', 'CREATE', stream, 'group', '0', 'MKSTREAM');
      const take = async () => {
        const read = [
          'XREADGROUP',
          'GROUP',
          'group',
          'me',
          'COUNT',
          '64',
          'BLOCK',
          `${WAIT_MS}`,
          'STREAMS',
          stream,
          '>',
        ];
        for (let left = MESSAGES; left > 0;) {
          const ids = idsIn(await receiver.ask(...read));
          await receiver.ask('XACK', stream, 'group', ...ids);
          await receiver.ask('XDEL', stream, ...ids);
          left -= ids.length;
        }
      };
      return timed(() => Promise.all([putAll(senders, stream), take()]));
    },
    prepare: () => ({}),
    park: async () => {
      for (let index = 0; index < POLLS; index++) {
        const client = await connectRedis(port);
        const leave = () => parked--;
        client.ask('XREAD', 'BLOCK', `${WAIT_MS}`, 'STREAMS', `owner-${index}`, '$').then(leave, leave);
        parked++;
      }
      return {};
    },
    count: () => ({ parked }),
  };
}

/** The ids of what was read from one stream: `[[stream, [[id, fields], …]]]`. */
function idsIn(reply: Reply): readonly string[] {
  const entries = partOf(partOf(reply, 0), 1);
  if (!Array.isArray(entries)) throw new TypeError('Expected messages of a stream');
  return entries.map((entry: unknown) => String(partOf(entry, 0)));
}

function partOf(list: unknown, index: number): unknown {
  return Array.isArray(list) ? list[index] : undefined;
}
