/** Has `rxp2p connect` carry a file to `rxp2p listen`, and breaks and mends something between the two in the middle. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { DEFAULT_PATH } from './path.js';
import { planPair, type Pair } from './plan.js';
import type { Program } from './processes.js';
import { lastWords, said } from './programs.js';
import type { Run } from './run.js';
import { meetingPlaces, RXP2P, START_MS, startServers } from './servers.js';
import type { Topology } from './topology.js';
import { within } from './within.js';

/** What is carried, and how fast the line is, in Mbit/s: some seconds, so that there is a middle. */
export interface Load {
  readonly bytes: number;
  readonly bandwidth: number;
}
export const LOAD: Load = { bytes: 10_000_000, bandwidth: 16 };
const LINE_BYTES = 750;

/** How long a cable is out: longer than a packet waits to be sent again, and than anybody waits for an answer. */
const OUT_MS = 5_000;

/** For the link to be found dead, to be replaced, and for the rest to arrive. */
const TRANSFER_MS = 150_000;

/** Between two looks at how much has come. */
const POLL_MS = 50;

/** The same where the time counts. */
const GROWTH_POLL_MS = 10;

interface Trouble {
  readonly pair: Pair;
  readonly about: string;
  readonly happen: (topology: Topology, servers: readonly Program[]) => Promise<void>;
}

const unplugged = (node: string) => async (topology: Topology) => {
  await topology.unplug(node);
  await delay(OUT_MS);
  await topology.plug(node);
};

const readdressed = async (topology: Topology) => {
  await topology.readdress('a', 77);
};

export const TROUBLES = {
  cable: {
    pair: ['preserving', 'preserving'],
    about: "the host's cable is out for some seconds",
    happen: unplugged('a'),
  },
  'cable-relayed': {
    pair: ['random', 'random'],
    about: 'the same, where only a relay connects',
    happen: unplugged('a'),
  },
  address: {
    pair: ['preserving', 'preserving'],
    about: 'the host gets another address from its router',
    happen: readdressed,
  },
  'address-relayed': {
    pair: ['random', 'random'],
    about: 'the same, where only a relay connects',
    happen: readdressed,
  },
  router: {
    pair: ['random', 'public'],
    about: 'the router restarts and has forgotten its mappings',
    happen: unplugged('home-a'),
  },
  servers: {
    pair: ['random', 'random'],
    about: 'all servers restart, and with them the relay that carries it',
    happen: async (topology, servers) => {
      await Promise.all(servers.map((server) => server.kill()));
      await startServers(topology, { rxp2p: RXP2P });
    },
  },
} as const satisfies Record<string, Trouble>;

export type TroubleName = keyof typeof TROUBLES;

export const isTrouble = (name: string): name is TroubleName => Object.hasOwn(TROUBLES, name);

/** What became of a transfer. */
export interface Transfer {
  /** Whether all arrived, byte for byte, and the dialer ended well. */
  readonly ok: boolean;
  /** Of the dialer, in words. */
  readonly end: string;
  /** From the trouble's end to the transfer's, in milliseconds. */
  readonly ms: number;
  /** From the trouble's end to the moment at which the file grows again, in milliseconds. */
  readonly stillMs: number;
  /** How long the line takes at least for what had not arrived when the trouble ended, in milliseconds. */
  readonly leastMs: number;
  /** What both sides told last. */
  readonly story: string;
}

/** Transfers a file during a trouble. Rejects only when the lab itself fails. */
export const transfer = (run: Run, name: TroubleName, { bytes, bandwidth } = LOAD): Promise<Transfer> => {
  const { pair, happen }: Trouble = TROUBLES[name];
  return run.with(planPair(pair), { ...DEFAULT_PATH, bandwidth }, async (topology) => {
    const servers = await startServers(topology, { rxp2p: RXP2P });
    const [sent, received] = [join(run.directory, `${name}-sent`), join(run.directory, `${name}-received`)];
    await writeLines(sent, bytes);
    const listener = rxp2p(topology, 'b', `> ${received}`, 'listen', ...meetingPlaces(topology, 'b'));
    const { unl } = await within(
      START_MS,
      said(listener.stderr$, ({ event }) => event === 'ready'),
    );
    const header = `${String(unl)}\n`.length;
    const dialer = rxp2p(topology, 'a', `< ${sent}`, 'connect', String(unl), ...meetingPlaces(topology, 'a'));
    await within(TRANSFER_MS, untilSize(received, header + bytes / 3, dialer));
    const growth = new Growth(received);
    await happen(topology, servers);
    const mended = performance.now();
    const left = statSync(sent).size + header - statSync(received).size;
    const exit = await within(TRANSFER_MS, dialer.exited).catch(() => undefined);
    const ms = performance.now() - mended;
    const stillMs = Math.max(0, growth.end().longestPauseEndedAt - mended);
    await dialer.kill();
    // What has arrived is still being printed.
    if (exit?.code === 0) {
      const printed = untilSize(received, header + statSync(sent).size, listener);
      await within(TRANSFER_MS, printed).catch(() => undefined);
    }
    await listener.kill('SIGINT');
    const isWhole = (await hashOf(received, header)) === (await hashOf(sent, 0));
    const arrived = statSync(received).size - header;
    const status = exit === undefined ? `did not end within ${TRANSFER_MS / 1000} s` : `status ${String(exit.code)}`;
    return {
      ok: exit?.code === 0 && isWhole,
      end: `${status}, ${arrived} of ${statSync(sent).size} bytes${isWhole ? '' : ', which are not those that were sent'}`,
      ms,
      stillMs,
      leastMs: (left * 8) / (bandwidth * 1_000),
      story: `dialer:\n  ${lastWords(dialer)}\nlistener:\n  ${lastWords(listener)}`,
    };
  });
};

/** Watches how a file grows. */
class Growth {
  readonly #timer: NodeJS.Timeout;
  #size: number;
  #grewAt = performance.now();
  #longestMs = 0;
  #longestPauseEndedAt = 0;

  constructor(readonly file: string) {
    this.#size = statSync(file).size;
    this.#timer = setInterval(() => {
      this.#look();
    }, GROWTH_POLL_MS);
  }

  /** Watches no more. */
  end(): { readonly longestPauseEndedAt: number } {
    clearInterval(this.#timer);
    this.#look();
    return { longestPauseEndedAt: this.#longestPauseEndedAt };
  }

  #look(): void {
    const { size } = statSync(this.file);
    if (size === this.#size) return;
    const now = performance.now();
    if (now - this.#grewAt > this.#longestMs) {
      this.#longestMs = now - this.#grewAt;
      this.#longestPauseEndedAt = now;
    }
    this.#size = size;
    this.#grewAt = now;
  }
}

/** The command line, with its input or output from or to a file. */
const rxp2p = (topology: Topology, host: string, redirection: string, ...args: string[]): Program =>
  topology.run(host, ['sh', '-c', `exec "$@" ${redirection}`, 'sh', process.execPath, RXP2P, ...args, '--json']);

/** Lines that nothing can compress. */
const writeLines = async (file: string, bytes: number): Promise<void> => {
  const stream = createWriteStream(file);
  for (let size = 0; size < bytes; size += LINE_BYTES) {
    const line = randomBytes(LINE_BYTES).toString('base64url').slice(1, LINE_BYTES);
    if (!stream.write(`${line}\n`)) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'close');
};

/** Resolves when a file has so many bytes, rejects when the program that should see to it ended before. */
const untilSize = async (file: string, bytes: number, program: Program): Promise<void> => {
  const over = new AbortController();
  void program.exited.then(() => {
    over.abort(new Error('it ended too early'));
  });
  while ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) < bytes) {
    over.signal.throwIfAborted();
    await delay(POLL_MS);
  }
};

const hashOf = async (file: string, start: number): Promise<string> => {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { start }), hash);
  return hash.digest('hex');
};
