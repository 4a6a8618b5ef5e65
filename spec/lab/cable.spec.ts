/** `rxp2p connect` in the middle of a large transfer, when something between the two breaks and is mended. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { PathConfig } from './path.js';
import { DEFAULT_PATH } from './path.js';
import { planPair, type Pair } from './plan.js';
import type { Program } from './processes.js';
import { lastWords, said } from './programs.js';
import { Run } from './run.js';
import { meetingPlaces, RXP2P, START_MS, startServers } from './servers.js';
import { canRunLab, needsLab } from './support.js';
import type { Topology } from './topology.js';
import { within } from './within.js';

/** Some ten seconds on this line, so that there is a middle. */
const PATH: PathConfig = { ...DEFAULT_PATH, bandwidth: 16 };
const BYTES = 20_000_000;
const LINE_BYTES = 750;

/** How long a cable is out: longer than a packet waits to be sent again, and than anybody waits for an answer. */
const OUT_MS = 5_000;

/** For the link to be found dead, to be replaced, and for the rest to arrive. */
const TRANSFER_MS = 150_000;

/** Between two looks at how much has come. */
const POLL_MS = 50;

describe('A large transfer', () => {
  let run: Run;

  beforeAll(async () => {
    if (canRunLab()) run = await Run.open();
  });

  afterAll(async () => {
    if (canRunLab()) await run.close();
  });

  /** What a trouble is given: the network, and its servers. */
  interface Surroundings {
    readonly topology: Topology;
    readonly servers: readonly Program[];
  }

  const survives = (what: string, pair: Pair, trouble: (given: Surroundings) => Promise<void>) => {
    it(
      `arrives byte for byte ${what}`,
      async () => {
        needsLab();
        await run.with(planPair(pair), PATH, async (topology) => {
          const servers = await startServers(topology, { rxp2p: RXP2P });
          const [sent, received] = ['sent', 'received'].map((name) => join(run.directory, `${pair.join('-')}-${name}`));
          if (sent === undefined || received === undefined) throw new Error('No files');
          await writeLines(sent);
          const listener = rxp2p(topology, 'b', `> ${received}`, 'listen', ...meetingPlaces(topology, 'b'));
          const { unl } = await within(START_MS, said(listener.stderr$, ({ event }) => event === 'ready')); // prettier-ignore
          const header = String(unl).length + 1;
          const dialer = rxp2p(topology, 'a', `< ${sent}`, 'connect', String(unl), ...meetingPlaces(topology, 'a'));

          const story = () => `dialer:\n  ${lastWords(dialer)}\nlistener:\n  ${lastWords(listener)}`;
          try {
            await within(TRANSFER_MS, untilSize(received, header + BYTES / 3, dialer));
            await trouble({ topology, servers });
            const { code } = await within(TRANSFER_MS, dialer.exited);
            expect(code).withContext(story()).toBe(0);
          } catch (cause) {
            throw new Error(`${received}: ${statSync(received).size} bytes; ${story()}`, { cause });
          }
          await within(START_MS, untilSize(received, header + statSync(sent).size, listener)).catch(() => undefined);
          expect(await hashOf(received, header))
            .withContext(story())
            .toBe(await hashOf(sent, 0));
          await listener.kill('SIGINT');
        });
      },
      3 * TRANSFER_MS,
    );
  };

  for (const pair of [
    ['preserving', 'preserving'],
    ['random', 'random'],
  ] as const) {
    survives(`when its cable is out for some seconds: ${pair.join(' → ')}`, pair, async ({ topology }) => {
      await topology.unplug('a');
      await delay(OUT_MS);
      await topology.plug('a');
    });

    survives(`when its host gets another address: ${pair.join(' → ')}`, pair, async ({ topology }) => {
      await topology.readdress('a', 77);
    });
  }

  survives('when the router restarts and has forgotten its mappings', ['random', 'public'], async ({ topology }) => {
    await topology.unplug('home-a');
    await delay(OUT_MS);
    await topology.plug('home-a');
  });

  survives('when all servers restart, which carry it', ['random', 'random'], async ({ topology, servers }) => {
    await Promise.all(servers.map((server) => server.kill()));
    await startServers(topology, { rxp2p: RXP2P });
  });
});

/** The command line, with its input or output from or to a file. */
const rxp2p = (topology: Topology, host: string, redirection: string, ...args: string[]): Program =>
  topology.run(host, ['sh', '-c', `exec "$@" ${redirection}`, 'sh', process.execPath, RXP2P, ...args, '--json']);

/** Lines that nothing can compress. */
const writeLines = async (file: string): Promise<void> => {
  const stream = createWriteStream(file);
  for (let size = 0; size < BYTES; size += LINE_BYTES) {
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
