// Meeting by what is there already, with no server of ours: two nodes find each other on their network, Bob learns from a STUN server where he is seen, an MQTT broker carries the
// signals, and a TURN server the lines. Each way is a line or two of configuration. The servers are those of this machine, on loopback.
//
//   npm run meet
//
// Install what is missing by `apt install mosquitto coturn` (Debian, Ubuntu) or `brew install mosquitto coturn` (macOS).
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { filter, firstValueFrom, mergeMap, timer } from 'rxjs';
import { createNet, type NetConfig, type TechniqueName } from 'rxp2p';
import { freePort, startMosquitto, startTurnserver } from './local-servers.js';

/** Longer than any machine needs: the example must not hang where something is wrong. */
const LIMIT_MS = 90_000;

/** A server, by the name of its program. */
type Server = 'mosquitto' | 'turnserver';

/** The packages that have them, on Debian as in Homebrew. */
const PACKAGES: Readonly<Record<Server, string>> = { mosquitto: 'mosquitto', turnserver: 'coturn' };

/** One way to meet. */
interface Way {
  /** What it shows. */
  readonly about: string;
  readonly needs: readonly Server[];
  readonly alice: Partial<NetConfig>;
  readonly bob: Partial<NetConfig>;
  /** On one machine a plain dial would win at once. So where it is to be shown that none is needed, Alice has this technique alone. */
  readonly technique?: TechniqueName;
}

// The processes of Alice and Bob are told by their environment where the servers are.
const { MEET_MQTT = '', MEET_TURN = '', MEET_PASSWORD = '' } = process.env;
const turn = [{ url: `turn:127.0.0.1:${MEET_TURN}`, username: 'meet', credential: MEET_PASSWORD }];
const stun = [`127.0.0.1:${MEET_TURN}`];
const mqtt = [`mqtt://127.0.0.1:${MEET_MQTT}`];

const WAYS: Readonly<Record<string, Way>> = {
  lan: {
    about: 'Alice knows nothing but who Bob is, and finds him on the local network',
    needs: [],
    alice: { lan: true },
    bob: { lan: true },
  },
  stun: {
    about: 'a STUN server shows Bob where he is seen; his locator says so, and Alice dials',
    needs: ['turnserver'],
    alice: { stun },
    bob: { stun },
  },
  mqtt: {
    about: 'Alice asks Bob by an MQTT broker to meet; his TURN server listens for her, so neither needs to be dialled',
    needs: ['mosquitto', 'turnserver'],
    alice: { mqtt },
    bob: { mqtt, turn },
    technique: 'turn',
  },
  turn: {
    about: 'Alice, whose firewall lets her go nowhere else, has her TURN server dial Bob',
    needs: ['turnserver'],
    alice: { turn },
    bob: { forwarded: true },
    technique: 'turn',
  },
};

// `bobs`: his locator, or on the local network his peer id.
const [role = '', name = '', bobs = ''] = process.argv.slice(2);
const say = (who: string, text: string) => {
  console.log(`${who.padEnd(9)}${text}`);
};
const fail = (error: unknown) => {
  console.error(`${(role || 'meet').padEnd(9)}${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
};

// Alice and Bob leave when the process that has started them is gone, whatever has ended it.
if (role !== '') process.once('disconnect', () => process.exit());

const way = WAYS[name];
if (way === undefined) await everything().catch(fail);
else await (role === 'alice' ? alice(way) : bob(way)).catch(fail);

/** Starts the servers that are installed, and shows each way for which they do. */
async function everything(): Promise<void> {
  const limit = timer(LIMIT_MS).subscribe(() => {
    fail(new Error('something is wrong: it took too long'));
  });
  const [broker, relay, password] = [await freePort(), await freePort(), randomUUID()];
  const running = new Set<Server>();
  if (await startMosquitto(broker)) running.add('mosquitto');
  if (await startTurnserver(relay, `meet:${password}`)) running.add('turnserver');
  for (const server of running) say('meet', `${server} listens on 127.0.0.1`);

  const places = { MEET_MQTT: `${broker}`, MEET_TURN: `${relay}`, MEET_PASSWORD: password };
  const met: boolean[] = [];
  for (const [each, { about, needs }] of Object.entries(WAYS)) {
    const missing = needs.filter((server) => !running.has(server));
    if (missing.length > 0) {
      const packages = missing.map((server) => PACKAGES[server]).join(' ');
      say(
        each,
        `left out, without ${missing.join(' and ')}: apt install ${packages}, or on macOS brew install ${packages}`,
      );
      continue;
    }
    say(each, about);
    met.push(await haveMet(each, places));
  }
  const failed = met.filter((isMet) => !isMet).length;
  say('meet', failed === 0 ? `they have met in ${met.length} ways` : `FAILED: they have not met in ${failed} ways`);
  process.exitCode = failed === 0 ? 0 : 1;
  limit.unsubscribe();
}

/** Starts Bob, and Alice with what Bob tells. Resolves to whether both have got their lines. */
async function haveMet(each: string, places: NodeJS.ProcessEnv): Promise<boolean> {
  const start = (...args: string[]) => fork(process.argv[1] ?? '', args, { env: { ...process.env, ...places } });
  const bobProcess = start('bob', each);
  const bobsEnd = once(bobProcess, 'exit');
  const told: unknown[] = await Promise.race([once(bobProcess, 'message'), bobsEnd.then(() => [])]);
  if (typeof told[0] !== 'string') return false;
  const end: unknown[] = await once(start('alice', each, told[0]), 'exit');
  if (end[0] !== 0) bobProcess.kill();
  const codes: unknown[][] = [end, await bobsEnd];
  return codes.every(([code]) => code === 0);
}

/** Waits to be connected to, answers the first line, and leaves when the connection is closed. */
async function bob({ bob: config }: Way): Promise<void> {
  const net = createNet({ mode: 'direct', bind: '127.0.0.3', ...config });
  if (config.stun !== undefined) {
    const looking = firstValueFrom(net.trace$.pipe(filter((step) => step.type === 'nat')));
    await net.start();
    const { addresses, natType } = await looking;
    say('bob', `is seen at ${addresses.join(', ')}, his NAT is of the type ${natType.type}`);
  }
  const own = await firstValueFrom(net.unl$);
  process.send?.(config.lan === true ? net.peerId : own);

  const connection = await firstValueFrom(net.connections$);
  const text = await firstValueFrom(connection.lines$);
  say('bob', `got "${text}"`);
  connection.send('Sup Alice.');
  process.exitCode = text === 'Sup Bob.' ? 0 : 1;
  await firstValueFrom(connection.closed$);
  await net.close();
  process.disconnect();
}

/** Connects to Bob, says hello, waits for his answer, and closes. */
async function alice({ alice: config, technique }: Way): Promise<void> {
  const net = createNet({ mode: 'direct', bind: '127.0.0.2', ...config });
  await firstValueFrom(net.unl$);
  const techniques = technique === undefined ? undefined : [technique];
  const found$ = net.neighbours$.pipe(mergeMap((all) => all.filter(({ peerId }) => peerId === bobs)));
  const unl = config.lan === true ? (await firstValueFrom(found$)).unl : bobs;
  const connection = await firstValueFrom(net.connect$(unl, { techniques }));
  const { technique: by, direct } = await firstValueFrom(connection.path$);
  say('alice', `is connected ${direct ? 'directly' : 'by a relay'} (${by}); the peer has proven Bob's key`);
  connection.send('Sup Bob.');
  const text = await firstValueFrom(connection.lines$);
  say('alice', `got "${text}"`);
  process.exitCode = text === 'Sup Alice.' ? 0 : 1;
  await net.close();
  process.disconnect();
}
