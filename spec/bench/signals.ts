import { rendezvousServer$ } from '../../servers/index.js';
import { numberOf, textOf, type Actor, type Role, type Start } from './actors.js';
import { startMosquitto } from './mosquitto.js';
import { quantile, ratioOf, type Ratio } from './ratio.js';
import { mqttClients, sessions, type RawClient } from './raw-clients.js';

/** Senders, and as many receivers. */
const PAIRS = 50;

/** A signal is an offer or an answer of a punch, sealed: so many bytes. */
const CONTENT = Buffer.alloc(600, 'a sealed signal ');

/** What each sender writes in one go, and waits for before it goes on; and how often. */
const MANY = { inOneGo: 20, times: 100 };
const SINGLE = { inOneGo: 1, times: 500 };

/** Signals that are sent one after the other, each when the one before has come. */
const ONE_BY_ONE = 3_000;

const ROUNDS = 5;

/** Far above what anybody sends here: the limits of one session are not what is measured. */
const NO_LIMIT = 1_000_000_000;

/** The processes by which signals are measured. */
export const signalRoles: Readonly<Record<string, Role>> = { passing: passingOf, signallers: signallersOf };

/** Signals a second, and how long one takes. */
export async function* signalRows(start: Start): AsyncIterable<Ratio> {
  const mosquitto = await startMosquitto(18_884);
  const server = start('passing', '');
  const [ours, theirs] = [start('signallers', 'session'), start('signallers', 'mqtt')];
  await ours.ask('open', await server.ask('listen'));
  await theirs.ask('open', { where: String(mosquitto.port) });
  const rates: [number, number][] = [];
  const singleRates: [number, number][] = [];
  const latencies: [number, number][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rates.push([await perSecond(ours, MANY), await perSecond(theirs, MANY)]);
    singleRates.push([await perSecond(ours, SINGLE), await perSecond(theirs, SINGLE)]);
    latencies.push([numberOf(await ours.ask('one'), 'median'), numberOf(await theirs.ask('one'), 'median')]);
  }
  await Promise.all([server, ours, theirs].map((actor) => actor.end()));
  mosquitto.end();
  yield* [
    rateRow(`signals a second, ${MANY.inOneGo} in one go`, rates),
    rateRow('signals a second, each by itself', singleRates),
    ratioOf({
      what: 'median time of a signal : mosquitto, QoS 0',
      ours: latencies.map(([our]) => our),
      other: latencies.map(([, other]) => other),
      show: (figure) => `${(figure * 1000).toFixed(0)} µs`,
      target: { atMost: 2 },
    }),
  ];
}

async function perSecond(actor: Actor, how: typeof MANY): Promise<number> {
  return numberOf(await actor.ask('many', how), 'perSecond');
}

function rateRow(what: string, rates: readonly (readonly [ours: number, other: number])[]): Ratio {
  return ratioOf({
    what: `${what} : mosquitto, QoS 0`,
    ours: rates.map(([ours]) => ours),
    other: rates.map(([, other]) => other),
    show: (figure) => `${(figure / 1000).toFixed(1)} k/s`,
    target: { atLeast: 0.5 },
  });
}

function passingOf(): ReturnType<Role> {
  return {
    listen: () =>
      new Promise((resolve, reject) => {
        const limits = { linesPerSecond: NO_LIMIT, lineBurst: NO_LIMIT };
        rendezvousServer$({ bind: '127.0.0.1', port: 0, limits }).subscribe({
          next: ({ local }) => {
            resolve({ where: String(local.port) });
          },
          error: reject,
        });
      }),
  };
}

function signallersOf(kind: string): ReturnType<Role> {
  const protocol = kind === 'session' ? sessions : mqttClients;
  let pairs: Pair[] = [];
  return {
    open: async (values) => {
      const place = { port: Number(textOf(values, 'where')), localAddress: '127.0.0.1' };
      const one = () => protocol.open(protocol.prepare(), place);
      pairs = [];
      for (let left = PAIRS; left > 0; left--) {
        const [from, to] = [await one(), await one()];
        const length = protocol.lengthAt(from, to, CONTENT);
        pairs.push(new Pair(from, to, protocol.message(to, CONTENT), length));
      }
      return {};
    },
    many: async (values) => {
      const [inOneGo, times] = [numberOf(values, 'inOneGo'), numberOf(values, 'times')];
      const begun = performance.now();
      await Promise.all(
        pairs.map(async (pair) => {
          for (let left = times; left > 0; left--) await pair.send(inOneGo);
        }),
      );
      return { perSecond: (PAIRS * times * inOneGo) / ((performance.now() - begun) / 1000) };
    },
    one: async () => {
      const [pair] = pairs;
      const times: number[] = [];
      for (let left = ONE_BY_ONE; left > 0; left--) {
        const begun = performance.now();
        await pair?.send(1);
        times.push(performance.now() - begun);
      }
      return { median: quantile(times, 0.5) };
    },
  };
}

/** A sender and its receiver, which only counts bytes. */
class Pair {
  #awaited = 0;
  #arrived: () => void = () => undefined;

  /** @param length the bytes that the receiver gets for each message. */
  constructor(
    readonly from: RawClient,
    readonly to: RawClient,
    readonly message: Buffer,
    readonly length: number,
  ) {
    from.socket.resume();
    to.socket.on('data', ({ length: bytes }: Buffer) => {
      this.#awaited -= bytes;
      if (this.#awaited < 0) throw new RangeError('Expected no more bytes than those of the messages');
      if (this.#awaited === 0) this.#arrived();
    });
  }

  /** Sends so many messages in one go; resolves when all of them have come. */
  send(count: number): Promise<void> {
    this.#awaited = count * this.length;
    return new Promise((resolve) => {
      this.#arrived = resolve;
      this.from.socket.write(count === 1 ? this.message : Buffer.concat(Array<Buffer>(count).fill(this.message)));
    });
  }
}
