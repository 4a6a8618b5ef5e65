/** The servers of the lab, as `rxp2p serve` runs them, and what nodes are told of them. */
import { fileURLToPath } from 'node:url';
import type { CarrierName } from '../../lib/signalling/carrier.js';
import { addressOf, familiesOf, serverName, SERVERS } from './plan.js';
import type { Program } from './processes.js';
import type { Topology } from './topology.js';
import { within } from './within.js';

export const RXP2P = fileURLToPath(new URL('../../lib/cli/rxp2p.js', import.meta.url));

const PORT = 8000;
const HTTP_PORT = 8080;
const DHT_PORT = 7000;
const MQTT_PORT = 1883;
const TURN_PORT = 3478;

/** What a program may take to start and to reach its servers on a busy machine, and to end. */
export const START_MS = 30_000;

interface ServersConfig {
  /** The program under test. */
  readonly rxp2p: string;
  /** What carries the signals of its nodes. Default: rendezvous servers. */
  readonly carrier?: CarrierName | undefined;
}

/** Starts all of them; resolves when they can be reached. With a broker there is none of ours: a TURN server sees NATs, and relays. */
export const startServers = (topology: Topology, config: ServersConfig): Promise<Program[]> => {
  const programs = SERVERS.flatMap((server) =>
    config.carrier === 'mqtt'
      ? [startBroker(topology, server), startTurn(topology, server)]
      : [startServer(topology, server, config)],
  );
  return within(START_MS, Promise.all(programs));
};

/** A broker as it comes, but for everybody, on both families. */
const BROKER = `listener ${MQTT_PORT}\nallow_anonymous true\nuser root\npersistence false\nlog_dest stderr\n`;

/** Starts a broker. */
export const startBroker = async (topology: Topology, server: string): Promise<Program> => {
  const start = 'file=$(mktemp) && printf "$0" > "$file" && exec mosquitto -v -c "$file"';
  const program = topology.run(server, ['sh', '-c', start, BROKER]);
  await program.line((text) => text.includes('running'), program.stderr$);
  return program;
};

const TURN_OPTIONS =
  '-n --verbose --no-cli --no-udp --no-tls --no-dtls --log-file stdout -a -u alice:secret -r example.org';

/** Starts coturn, which is a STUN server, too, on all addresses of a server. */
export const startTurn = async (topology: Topology, server: string, port = TURN_PORT): Promise<Program> => {
  const start = `pid=$(mktemp) && exec turnserver --pidfile "$pid" ${TURN_OPTIONS} "$@"`;
  const addresses = familiesOf(topology.plan, server).flatMap((family) => {
    const address = addressOf(topology.plan, server, family);
    return ['--listening-ip', address, '--relay-ip', address];
  });
  const program = topology.run(server, [
    'sh',
    '-c',
    start,
    'turnserver',
    ...addresses,
    '--listening-port',
    String(port),
  ]);
  await program.line((text) => text.includes('listener opened on'));
  return program;
};

/** What a node says to use a broker. */
export const brokerAt = (host: string): string[] => ['--mqtt', `mqtt://${host}:${MQTT_PORT}`];

/** What a node says to use a TURN server. */
export const turnAt = (host: string, port = TURN_PORT): string[] => ['--turn', `turn:alice:secret@${host}:${port}`];

/** They listen on both families, as every rendezvous server should. Of a DHT they are the first two nodes. */
const startServer = async (topology: Topology, server: string, { rxp2p, carrier }: ServersConfig): Promise<Program> => {
  const serve = [process.execPath, rxp2p, 'serve', '--port', String(PORT), '--http-port', String(HTTP_PORT)];
  const own = addressOf(topology.plan, server, 4);
  const others = SERVERS.filter((other) => other !== server).map((other) => addressOf(topology.plan, other, 4));
  const dht = ['--dht-port', String(DHT_PORT), '--dht-address', own];
  const bootstrap = others.flatMap((other) => ['--dht-bootstrap', `${other}:${DHT_PORT}`]);
  const program = topology.run(server, carrier === 'dht' ? [...serve, ...dht, ...bootstrap] : serve);
  await program.line((text) => text.startsWith(carrier === 'dht' ? 'dht-http' : 'http'));
  return program;
};

/**
 * What a node is told of the servers. Everybody knows them by the same names, which have addresses of both families, so that
 * a node of IPv4 alone and one of IPv6 alone meet there; by which a host with both goes there is its system's choice. Only who
 * is seen by a family can tell that it is reached by it: a host with both is told of a name with IPv4 alone, too, since systems
 * prefer IPv6. The DHT is of IPv4 alone. A broker tells nobody where it sees a node, and shows none its NAT: TURN servers do both.
 */
export const meetingPlaces = ({ plan }: Topology, host: string, carrier: CarrierName = 'rendezvous'): string[] => {
  // Neighbours meet with no server.
  if (carrier === 'lan') return ['--lan'];
  const names = carrier === 'dht' || familiesOf(plan, host).length < 2 ? [undefined] : [undefined, 4 as const];
  if (carrier === 'mqtt') {
    const stun = names.flatMap((family) =>
      SERVERS.flatMap((server) => ['--stun', `${serverName(server, family)}:${TURN_PORT}`]),
    );
    const all = SERVERS.map((server) => serverName(server));
    return [...all.flatMap((name) => ['--mqtt', `mqtt://${name}:${MQTT_PORT}`, ...turnAt(name)]), ...stun];
  }
  return names.flatMap((family) =>
    SERVERS.flatMap((server) => {
      if (carrier === 'dht') return ['--dht', `${serverName(server, 4)}:${DHT_PORT}`];
      const name = serverName(server, family);
      return carrier === 'mailbox' ? ['--mailbox', `http://${name}:${HTTP_PORT}`] : ['--rendezvous', `${name}:${PORT}`];
    }),
  );
};
