import { createIdentity, verifySignature } from '../../lib/identity.js';
import { numberOf, type Values } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { CLIENTS, crowdRoles, load } from './crowd.js';
import { CHURN, comeAndGo, guestRoles } from './guests.js';
import { hasMosquitto } from './mosquitto.js';
import { ratioOf } from './ratio.js';
import { signalRoles, signalRows } from './signals.js';

const ROUNDS = 3;

/** What an idle session may take, in bytes. */
const MOST_BYTES = 6 * 1024;

/** What a session may take of the server's CPU time, in verifications of a signature: it needs one. */
const MOST_VERIFICATIONS = 3.5;

/** What sessions that come and go may cost the others, in milliseconds. */
const MOST_DELAY_MS = 5;

/** What the rendezvous server's clients cost it. */
export const servers: Benchmark = {
  name: 'servers',
  about: `${CLIENTS} clients of one rendezvous server that do as little as they can, against bare sockets and clients of mosquitto with one subscription (QoS 0) each, ${ROUNDS} rounds; CPU time is that of as many that come when the first have gone; ${CHURN.perSecond} sessions a second that come and go beside them; signals between sessions against messages by mosquitto`,
  roles: { ...crowdRoles, ...guestRoles, ...signalRoles },
  measure: async function* (start) {
    if (!hasMosquitto()) {
      console.log('  Left out: there is no mosquitto here (Debian: mosquitto)');
      return;
    }
    const rounds: Record<'bare' | 'session' | 'pyp2p' | 'mqtt', Values[]> = {
      bare: [],
      session: [],
      pyp2p: [],
      mqtt: [],
    };
    const pings: Values[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      rounds.bare.push(await load('bare', start));
      rounds.session.push(
        await load('session', start, async (where) => {
          pings.push(await comeAndGo(where, start));
        }),
      );
      rounds.pyp2p.push(await load('pyp2p', start));
      rounds.mqtt.push(await load('mqtt', start));
    }
    const of = (kind: keyof typeof rounds, figure: string) => rounds[kind].map((values) => numberOf(values, figure));
    const same = (figure: number) => Array<number>(ROUNDS).fill(figure);
    const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`;
    const ms = (figure: number) => `${figure.toFixed(2)} ms`;
    yield* [
      ratioOf({
        what: 'resident set a proven session : bare socket',
        ours: of('session', 'rss'),
        other: of('bare', 'rss'),
        show: kib,
      }),
      ratioOf({
        what: 'resident set a proven session : mosquitto',
        ours: of('session', 'rss'),
        other: of('mqtt', 'rss'),
        show: kib,
      }),
      ratioOf({
        what: 'resident set a proven session : its limit',
        ours: of('session', 'rss'),
        other: same(MOST_BYTES),
        show: kib,
        target: { atMost: 1 },
      }),
      ratioOf({
        what: 'resident set a PyP2P client : mosquitto',
        ours: of('pyp2p', 'rss'),
        other: of('mqtt', 'rss'),
        show: kib,
      }),
      ratioOf({
        what: 'CPU time of the server a session : a verification',
        ours: of('session', 'cpu'),
        other: same(verificationMs()),
        show: ms,
        target: { atMost: MOST_VERIFICATIONS },
      }),
      ratioOf({
        what: 'CPU time of the server a session : mosquitto',
        ours: of('session', 'cpu'),
        other: of('mqtt', 'cpu'),
        show: ms,
      }),
      ratioOf({
        what: `time to register ${CLIENTS} : to connect bare sockets`,
        ours: of('session', 'ms'),
        other: of('bare', 'ms'),
        show: (figure) => `${(figure / 1000).toFixed(2)} s`,
        target: { atMost: 3 },
      }),
      ratioOf({
        what: 'median PING while sessions come and go : quiet',
        ours: pings.map((values) => numberOf(values, 'median')),
        other: pings.map((values) => numberOf(values, 'quietMedian')),
        show: ms,
      }),
      ratioOf({
        what: `99th percentile of PINGs while sessions come and go : quiet + ${MOST_DELAY_MS} ms`,
        ours: pings.map((values) => numberOf(values, 'most')),
        other: pings.map((values) => numberOf(values, 'quietMost') + MOST_DELAY_MS),
        show: ms,
        target: { atMost: 1 },
      }),
    ];
    yield* signalRows(start);
  },
};

/** How long it takes to verify a signature here, in milliseconds of CPU time. */
function verificationMs(): number {
  const identity = createIdentity();
  const data = Buffer.alloc(200);
  const signature = identity.sign(data);
  const verify = (times: number) => {
    for (let left = times; left > 0; left--) verifySignature(identity.peerId, data, signature);
  };
  verify(200);
  const before = process.cpuUsage();
  verify(2_000);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / 2_000;
}
