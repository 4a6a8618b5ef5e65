import { firstValueFrom } from 'rxjs';
import { numberOf, textOf, type Handlers, type Start } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { cpuTime } from './footprint.js';
import { oneOf, read, rxp2pNet } from './nodes.js';
import { ratioOf } from './ratio.js';

/** Opens channels, or what an alternative has of the kind, over one connection. */
export interface Opener {
  /** Answers each message on each channel by the same message, and ends the channel; resolves to where to connect to. */
  listen(): Promise<string>;
  /** Connects; resolves to what opens a channel, sends a message, waits for the answer, and for the end by both sides. */
  connect(where: string): Promise<() => Promise<void>>;
}

/** By which both sides know the channel. */
export const NAME = 'bench';

/** What goes there and back. */
export const MESSAGE = 'a message there and back';

/** Code is compiled while it runs: what comes in before this is not counted. */
const WARM_UP_MS = 3_000;

const COUNT_MS = 700;

const ROUNDS = 5;

/** What is loaded for one is not in the others' processes. */
const OPENERS: Readonly<Record<string, () => Opener | Promise<Opener>>> = {
  rxp2p: rxp2pOpener,
  yamux: async () => (await import('./libp2p.js')).yamuxOpener(),
  libp2p: async () => (await import('./libp2p.js')).libp2pOpener(),
};

const KINDS = ['rxp2p', 'yamux', 'libp2p'] as const;

type Kind = (typeof KINDS)[number];

/** How many are under way at once. */
const AT_ONCE = [1, 64] as const;

/** Channels that are opened for one exchange each. */
export const openings: Benchmark = {
  name: 'openings',
  about: `channels over one connection between two processes: opened, a message there and back, closed by both sides; one after the other, and ${AT_ONCE[1]} under way; against streams of a whole libp2p node (TCP, TLS, yamux), which agree on a name, too, and against those of its yamux alone, over Node's TLS 1.3, which have no names; counted for ${COUNT_MS} ms a round, with the CPU time of both processes; ${ROUNDS} rounds in turns`,
  roles: {
    answering: async (kind) => answering(await oneOf(OPENERS, kind)()),
    opening: async (kind) => opening(await oneOf(OPENERS, kind)()),
  },
  measure: async function* (start) {
    const pairs = await Promise.all(KINDS.map(async (kind) => ({ kind, openFor: await pairOf(kind, start) })));
    for (const atOnce of AT_ONCE) {
      for (const { openFor } of pairs) await openFor(atOnce, WARM_UP_MS);
      const rounds: Record<Kind, Opened[]> = { rxp2p: [], yamux: [], libp2p: [] };
      for (let round = 0; round < ROUNDS; round++) {
        for (const { kind, openFor } of pairs) rounds[kind].push(await openFor(atOnce, COUNT_MS));
      }
      const how = atOnce === 1 ? 'one after the other' : `${atOnce} under way`;
      for (const [kind, words] of [
        ['libp2p', 'a libp2p stream'],
        ['yamux', 'a yamux stream without a name'],
      ] as const) {
        const row = (what: string, figure: keyof Opened) => ({
          what,
          ours: rounds.rxp2p.map((opened) => opened[figure]),
          other: rounds[kind].map((opened) => opened[figure]),
        });
        yield ratioOf({
          ...row(`channels a second, ${how} : ${words}`, 'rate'),
          show: (rate) => `${rate.toFixed(0)}/s`,
        });
        yield ratioOf({
          ...row(`CPU time a channel, ${how} : ${words}`, 'cpu'),
          show: (ms) => `${(ms * 1000).toFixed(0)} µs`,
        });
      }
    }
  },
};

/** How many were opened a second, and the CPU time of each, in milliseconds. */
interface Opened {
  readonly rate: number;
  readonly cpu: number;
}

/** Two processes of a kind; resolves to what opens channels for so long. */
async function pairOf(kind: Kind, start: Start) {
  const [there, here] = [start('answering', kind), start('opening', kind)];
  await here.ask('connect', await there.ask('listen'));
  const cpu = async () => numberOf(await there.ask('cpu'), 'cpu') + numberOf(await here.ask('cpu'), 'cpu');
  return async (atOnce: number, forMs: number): Promise<Opened> => {
    const before = await cpu();
    const answer = await here.ask('open', { atOnce, forMs });
    const count = numberOf(answer, 'count');
    return { rate: (count / numberOf(answer, 'ms')) * 1000, cpu: ((await cpu()) - before) / count };
  };
}

function answering(opener: Opener): Handlers {
  return {
    listen: async () => ({ where: await opener.listen() }),
    cpu: () => ({ cpu: cpuTime() }),
  };
}

function opening(opener: Opener): Handlers {
  let open = (): Promise<void> => Promise.reject(new Error('Expected to be connected'));
  return {
    connect: async (values) => {
      open = await opener.connect(textOf(values, 'where'));
      return {};
    },
    open: async (values) => {
      let count = 0;
      const begun = performance.now();
      const until = begun + numberOf(values, 'forMs');
      const openOn = async () => {
        for (; performance.now() < until; count++) await open();
      };
      await Promise.all(Array.from({ length: numberOf(values, 'atOnce') }, openOn));
      return { count, ms: performance.now() - begun };
    },
    cpu: () => ({ cpu: cpuTime() }),
  };
}

function rxp2pOpener(): Opener {
  const net = rxp2pNet();
  return {
    listen: () => {
      read(net.channels$(NAME), (channel) => {
        read(channel.lines$, (text) => {
          channel.send(text);
        });
      });
      return firstValueFrom(net.unl$);
    },
    connect: async (unl) => {
      const connection = await firstValueFrom(net.connect$(unl));
      return async () => {
        const channel = connection.openChannel(NAME);
        let answer: string | undefined;
        read(channel.lines$, (text) => {
          answer = text;
        });
        channel.send(MESSAGE);
        channel.close();
        const { message } = await firstValueFrom(channel.closed$);
        if (answer !== MESSAGE) throw new Error(`Expected an answer, got none: ${message}`);
      };
    },
  };
}
