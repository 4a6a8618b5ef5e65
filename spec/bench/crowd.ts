import { createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { noop } from 'rxjs';
import { rendezvousServer$ } from '../../servers/index.js';
import { numberOf, textOf, type Actor, type Role, type Start, type Values } from './actors.js';
import { cpuTime, footprint, perOne } from './footprint.js';
import { startMosquitto } from './mosquitto.js';
import { portOf } from './nodes.js';
import { inParallel } from './parallel.js';
import { bareSockets, mqttClients, pyp2pClients, sessions, type RawClient, type RawProtocol } from './raw-clients.js';

/** Idle clients of one server. */
export const CLIENTS = 10_000;

/** Client processes: each must keep below the limit of open files. */
const CROWDS = 2;

/** Well below what a server takes from one address (256). */
const CLIENTS_PER_ADDRESS = 200;

const AT_ONCE = 64;

const PROTOCOLS = { bare: bareSockets, session: sessions, pyp2p: pyp2pClients, mqtt: mqttClients } as const;

/** A kind of clients, and with it the server that they need. */
export type CrowdKind = keyof typeof PROTOCOLS;

/** The processes by which a crowd is measured. */
export const crowdRoles: Readonly<Record<string, Role>> = { server: serverOf, crowd: crowdOf };

/**
 * Connects all clients to a fresh server, and tells what they cost it. The CPU time is that of as many others, which come when the first have gone:
 * what a program does for the first time is compiled meanwhile.
 */
export async function load(
  kind: CrowdKind,
  start: Start,
  then: (where: string) => Promise<void> = () => Promise.resolve(),
): Promise<Values> {
  const first = await crowdsOf(kind, start);
  const server = kind === 'mqtt' ? await brokerOf() : start('server', kind);
  const { where = '' } = await server.ask('listen');
  const before = await server.ask('measure');
  const opened = await openAll(first, where);
  const after = await server.ask('measure');
  await then(String(where));
  await endAll(first);
  const second = await crowdsOf(kind, start);
  // It has done what is to be done for those that have gone, too.
  const begun = numberOf(await server.ask('measure'), 'cpu');
  await openAll(second, where);
  const cpu = (numberOf(await server.ask('cpu'), 'cpu') - begun) / CLIENTS;
  await endAll([server, ...second]);
  return { ...perOne(before, after, CLIENTS), cpu, ms: Math.max(...opened.map(({ ms }) => Number(ms))) };
}

/** Processes of clients that are about to connect. */
async function crowdsOf(kind: CrowdKind, start: Start): Promise<readonly Actor[]> {
  const crowds = Array.from({ length: CROWDS }, () => start('crowd', kind));
  const count = CLIENTS / CROWDS;
  await Promise.all(crowds.map((crowd, index) => crowd.ask('prepare', { first: index * count, count })));
  return crowds;
}

function openAll(crowds: readonly Actor[], where: Values[string] = ''): Promise<readonly Values[]> {
  return Promise.all(crowds.map((crowd) => crowd.ask('open', { where })));
}

async function endAll(actors: readonly Pick<Actor, 'end'>[]): Promise<void> {
  await Promise.all(actors.map((actor) => actor.end()));
}

/** A mosquitto that is asked as a server of ours is. */
async function brokerOf() {
  const mosquitto = await startMosquitto(18_883);
  const measure = async (): Promise<Values> => {
    await pause(1_500);
    return { rss: mosquitto.rss(), heap: 0, cpu: mosquitto.cpu() };
  };
  return {
    ask: (question: 'listen' | 'measure' | 'cpu'): Promise<Values> =>
      question === 'measure' ? measure() : Promise.resolve({ where: String(mosquitto.port), cpu: mosquitto.cpu() }),
    end: () => {
      mosquitto.end();
      return Promise.resolve();
    },
  };
}

function serverOf(kind: string): ReturnType<Role> {
  const sockets = new Set<Socket>();
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
      rendezvousServer$({ bind: '127.0.0.1', port: 0 }).subscribe({
        next: ({ local }) => {
          resolve({ where: String(local.port) });
        },
        error: reject,
      });
    });
  return { listen: kind === 'bare' ? bare : ours, measure: footprint, cpu: () => ({ cpu: cpuTime() }) };
}

/** How a kind of clients speaks. */
export function protocolOf(kind: string): RawProtocol {
  if (kind === 'bare' || kind === 'session' || kind === 'pyp2p' || kind === 'mqtt') return PROTOCOLS[kind];
  throw new RangeError(`Expected a kind of clients, got ${kind}`);
}

function crowdOf(kind: string): ReturnType<Role> {
  const protocol = protocolOf(kind);
  const clients: RawClient[] = [];
  let first = 0;
  let prepared: ReturnType<RawProtocol['prepare']>[] = [];
  return {
    prepare: (values) => {
      first = numberOf(values, 'first');
      prepared = Array.from({ length: numberOf(values, 'count') }, () => protocol.prepare());
      return {};
    },
    open: async (values) => {
      const port = Number(textOf(values, 'where'));
      const begun = performance.now();
      await inParallel(prepared, AT_ONCE, async (one, index) => {
        const localAddress = `127.0.1.${Math.floor((first + index) / CLIENTS_PER_ADDRESS) + 1}`;
        clients.push(await protocol.open(one, { port, localAddress }));
      });
      return { ms: performance.now() - begun };
    },
  };
}
