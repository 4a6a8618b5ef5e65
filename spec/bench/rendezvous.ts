import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { lastValueFrom, map, merge, NEVER, noop, switchMap } from 'rxjs';
import { DEFAULT_TIMING } from '../../lib/config.js';
import { reasonOf } from '../../lib/errors.js';
import { createIdentity, type Identity } from '../../lib/index.js';
import { OUR_DIALECT } from '../../lib/rendezvous/our-dialect.js';
import { session$, type RendezvousSession } from '../../lib/rendezvous/session.js';
import { systemRuntime } from '../../lib/runtime.js';
import { rendezvousServer$ } from '../../servers/index.js';
import { numberOf, textOf, type Role, type Start, type Values } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { footprint, perOne } from './footprint.js';
import { inParallel } from './parallel.js';
import { portOf } from './nodes.js';
import { ratioOf } from './ratio.js';

const SESSIONS = 10_000;

/** Well below what a server takes from one address (256), and so are the ports of each address. */
const SESSIONS_PER_ADDRESS = 200;

/** Client processes: each has as many sockets as sessions, and so must keep below the limit of open files. */
const CLIENTS = 2;

const AT_ONCE = 64;

/** Sessions say PING each 20 s; after this time every one has done so and must still be there. */
const HOLD_MS = 25_000;

/** From as many sessions to as many others. */
const MESSAGES = 100;

/** Idle authenticated sessions on one server with its default limits. */
export const rendezvous: Benchmark = {
  name: 'rendezvous',
  about: `${SESSIONS} idle sessions, each with its own key, from ${SESSIONS / SESSIONS_PER_ADDRESS} loopback addresses on one rendezvous server with its default limits, against a bare net.Server with as many idle sockets; held for ${HOLD_MS} ms, then ${MESSAGES} messages between sessions; one round`,
  roles: { server: serverOf, clients: clientsOf },
  measure: async function* (start) {
    const other = await load('bare', start);
    const ours = await load('rxp2p', start);
    const row = (what: string, figure: string, show: (value: number) => string) =>
      ratioOf({ what, ours: [numberOf(ours, figure)], other: [numberOf(other, figure)], show });
    const share = (what: string, figure: string, all: number) =>
      ratioOf({ what, ours: [numberOf(ours, figure)], other: [all], show: String, target: { atLeast: 1 } });
    const bytes = (value: number) => `${(value / 1024).toFixed(1)} KiB`;
    yield* [
      share('sessions open at the end : asked for', 'open', SESSIONS),
      share('messages between sessions : sent', 'received', MESSAGES),
      row('resident set a session : bare socket', 'rss', bytes),
      row('heap + external a session : bare socket', 'heap', bytes),
      row('CPU time of the server a session : bare socket', 'cpu', (ms) => `${ms.toFixed(2)} ms`),
      row('time to register all : to connect all', 'ms', (ms) => `${(ms / 1000).toFixed(2)} s`),
    ];
  },
};

/** Opens all sessions (or bare sockets) on a fresh server, and tells what they cost it. */
async function load(kind: string, start: Start): Promise<Values> {
  const server = start('server', kind);
  const clients = Array.from({ length: CLIENTS }, () => start('clients', kind));
  const { where = '' } = await server.ask('listen');
  const count = SESSIONS / CLIENTS;
  await Promise.all(clients.map((client, index) => client.ask('prepare', { first: index * count, count })));
  const before = await server.ask('measure');
  const opened = await Promise.all(clients.map((client) => client.ask('open', { where })));
  for (const { reason } of opened) {
    if (reason !== '') console.log(`This machine stopped ${kind} short: ${reason ?? ''}`);
  }
  const after = await server.ask('measure');
  const figures = {
    ...perOne(before, after, numberOf(after, 'open')),
    ms: Math.max(...opened.map(({ ms }) => Number(ms))),
  };
  const end = kind === 'rxp2p' ? { ...(await talk(clients)), ...(await server.ask('count')) } : {};
  await Promise.all([server, ...clients].map((actor) => actor.end()));
  return { ...figures, ...end };
}

/** After a while of idling, messages from the sessions of the first process to those of the last. */
async function talk(clients: readonly ReturnType<Start>[]): Promise<Values> {
  await pause(HOLD_MS);
  const [from, to] = [clients[0], clients.at(-1)];
  if (from === undefined || to === undefined) throw new RangeError('Expected clients');
  await from.ask('send', await to.ask('receive'));
  return to.ask('received');
}

function serverOf(kind: string): ReturnType<Role> {
  const sockets = new Set<Socket>();
  let open = () => sockets.size;
  const bare = () =>
    new Promise<Values>((resolve) => {
      const server = createServer((socket) => {
        sockets.add(socket.on('error', noop).resume());
      });
      server.listen(0, '127.0.0.1', () => {
        resolve({ where: portOf(server.address()) });
      });
    });
  const ours = () =>
    new Promise<Values>((resolve, reject) => {
      rendezvousServer$({ bind: '127.0.0.1', port: 0 })
        .pipe(switchMap(({ local, connections$ }) => connections$.pipe(map((count) => ({ local, count })))))
        .subscribe({
          next: ({ local, count }) => {
            open = () => count;
            resolve({ where: String(local.port) });
          },
          error: reject,
        });
    });
  return {
    listen: kind === 'rxp2p' ? ours : bare,
    count: () => ({ open: open() }),
    measure: async () => ({ ...(await footprint()), open: open() }),
  };
}

function clientsOf(kind: string): ReturnType<Role> {
  let first = 0;
  let identities: (Identity | undefined)[] = [];
  const sessions: { readonly peerId: string; readonly session: RendezvousSession }[] = [];
  let received = 0;

  const openOne = async (identity: Identity | undefined, bind: string, port: number) => {
    if (identity === undefined) await connectBare(bind, port);
    else sessions.push({ peerId: identity.peerId, session: await openSession(identity, bind, port) });
  };
  return {
    prepare: (values) => {
      first = numberOf(values, 'first');
      identities = Array.from({ length: numberOf(values, 'count') }, () =>
        kind === 'rxp2p' ? createIdentity() : undefined,
      );
      return {};
    },
    open: async (values) => {
      const port = Number(textOf(values, 'where'));
      let reason = '';
      const begun = performance.now();
      await inParallel(identities, AT_ONCE, async (identity, index) => {
        const address = `127.0.1.${Math.floor((first + index) / SESSIONS_PER_ADDRESS) + 1}`;
        try {
          await openOne(identity, address, port);
        } catch (error) {
          reason = reasonOf(error);
        }
      });
      return { ms: performance.now() - begun, reason };
    },
    receive: () => {
      const receivers = sessions.slice(0, MESSAGES);
      for (const { session } of receivers) session.message$.subscribe({ next: () => received++, error: noop });
      return { to: receivers.map(({ peerId }) => peerId).join(' ') };
    },
    send: async (values) => {
      const sent = textOf(values, 'to')
        .split(' ')
        .flatMap((to, index) => sessions[index]?.session.send$(to, Buffer.from('a message')) ?? []);
      await lastValueFrom(merge(...sent));
      return {};
    },
    received: async () => {
      // The answer to the sender may come before the message.
      await pause(500);
      return { received };
    },
  };
}

/** Stays open until the process ends. */
function openSession(identity: Identity, bind: string, port: number): Promise<RendezvousSession> {
  const config = {
    identity,
    bind,
    dialect: OUR_DIALECT,
    runtime: systemRuntime,
    timing: DEFAULT_TIMING,
    network$: NEVER,
  } as const;
  return new Promise((resolve, reject) => {
    session$({ host: '127.0.0.1', port }, config).subscribe({ next: resolve, error: reject });
  });
}

function connectBare(localAddress: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    socket.once('error', reject).once('connect', () => {
      resolve(socket);
    });
  });
}
