import { setTimeout as pause } from 'node:timers/promises';
import { numberOf, textOf, type Role, type Start, type Values } from './actors.js';
import { protocolOf } from './crowd.js';
import { quantile } from './ratio.js';
import type { RawClient, RawProtocol } from './raw-clients.js';

/** Sessions that come and go beside idle ones, for so long. */
export const CHURN = { perSecond: 100, ms: 5_000 };

/** How long one of them stays, in milliseconds. */
const STAY_MS = 100;

/** A server takes 50 lines a second from a session. */
const PING_EVERY_MS = 22;

/** The processes by which comings and goings are measured. */
export const guestRoles: Readonly<Record<string, Role>> = { guests: guestsOf };

/** How long PINGs of one session take while nothing else happens, and while sessions come and go, in milliseconds. */
export async function comeAndGo(where: string, start: Start): Promise<Values> {
  const [pinging, passing] = [start('guests', 'session'), start('guests', 'session')];
  await Promise.all([
    pinging.ask('prepare', { count: 1 }),
    passing.ask('prepare', { count: (CHURN.perSecond * CHURN.ms) / 1000 }),
  ]);
  await pinging.ask('enter', { where });
  const quiet = await pinging.ask('ping', { ms: CHURN.ms });
  const [busy] = await Promise.all([pinging.ask('ping', { ms: CHURN.ms }), passing.ask('pass', { where })]);
  await Promise.all([pinging.end(), passing.end()]);
  return { ...busy, quietMedian: numberOf(quiet, 'median'), quietMost: numberOf(quiet, 'most') };
}

/** Sessions beside the crowd: one that says PING, or many that come and go. */
function guestsOf(kind: string): ReturnType<Role> {
  const protocol = protocolOf(kind);
  const localAddress = `127.0.2.${(process.pid % 250) + 1}`;
  let prepared: ReturnType<RawProtocol['prepare']>[] = [];
  let client: RawClient | undefined;
  return {
    prepare: (values) => {
      prepared = Array.from({ length: numberOf(values, 'count') }, () => protocol.prepare());
      return {};
    },
    enter: async (values) => {
      client = await protocol.open(prepared[0], { port: Number(textOf(values, 'where')), localAddress });
      return {};
    },
    ping: async (values) => {
      const socket = client?.socket;
      if (socket === undefined) throw new TypeError('Expected a session');
      const times: number[] = [];
      const end = performance.now() + numberOf(values, 'ms');
      while (performance.now() < end) {
        const begun = performance.now();
        await new Promise((resolve) => {
          socket.once('data', resolve).write('PING\r\n');
        });
        times.push(performance.now() - begun);
        await pause(PING_EVERY_MS);
      }
      return { median: quantile(times, 0.5), most: quantile(times, 0.99) };
    },
    pass: async (values) => {
      const place = { port: Number(textOf(values, 'where')), localAddress };
      await Promise.all(
        prepared.map(async (one, index) => {
          await pause((index * 1000) / CHURN.perSecond);
          const { socket } = await protocol.open(one, place);
          await pause(STAY_MS);
          socket.destroy();
        }),
      );
      return {};
    },
  };
}
