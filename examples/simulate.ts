// A flooding network on one machine, PyP2P's "simulating a P2P network": 30 nodes, each on its own loopback address, meet
// through one rendezvous server. A line that one of them sends reaches all others exactly once, shown as it spreads.
//
//   npm run simulate
//
// On macOS, which has 127.0.0.1 only, add the addresses first: sudo ifconfig lo0 alias 127.0.1.1 (to 127.0.1.30)
import { filter, firstValueFrom, map, mergeMap, race, timer } from 'rxjs';
import { createNet, type Connection, type Net } from 'rxp2p';
import { rendezvousServer$ } from 'rxp2p/servers';

const NODES = 30;
const LINE = 'Anyone there?';
/** Long after the flood is over: a copy that is still under way would show. */
const SETTLE_MS = 1_000;
const LIMIT_MS = 90_000;

const fail = (error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
};

const server = rendezvousServer$({ bind: '127.0.0.1', port: 0 }).subscribe({
  next: ({ local }) => {
    simulate(`127.0.0.1:${local.port}`).then((isWell) => {
      process.exitCode = isWell ? 0 : 1;
      server.unsubscribe();
    }, fail);
  },
  error: fail,
});

async function simulate(rendezvous: string): Promise<boolean> {
  const nets = Array.from({ length: NODES }, (_, index) =>
    createNet({
      mode: 'p2p',
      bind: `127.0.1.${index + 1}`,
      rendezvous: [rendezvous],
      // With as many inbound as outbound all would be taken, and the last to come would find no room but among themselves.
      slots: { inbound: 8, outbound: 4 },
    }),
  );
  const received = new Map<Net, number>();
  const connections = new Map<string, Set<Connection>>();
  const start = performance.now();
  const elapsed = () => `${Math.round(performance.now() - start)} ms`.padStart(8);

  for (const [index, net] of nets.entries()) {
    const open = new Set<Connection>();
    connections.set(net.peerId, open);
    net.connections$.subscribe((connection) => open.add(connection));
    net.connections$
      .pipe(mergeMap((each) => each.closed$.pipe(map(() => each))))
      .subscribe((each) => open.delete(each));
    net.lines$.subscribe(({ connection, text }) => {
      net.broadcast(text, connection);
      received.set(net, (received.get(net) ?? 0) + 1);
      console.log(`${elapsed()}  node ${String(index + 1).padStart(2)} has it  ${'■'.repeat(received.size)}`);
    });
  }
  await Promise.all(nets.map((net) => net.start()));
  console.log(`${elapsed()}  ${NODES} nodes started, 8 + 4 slots each`);

  // A node with connections may still be cut off from the others: who has joined is told by who can be reached from the first.
  const joined$ = timer(0, 10).pipe(filter(() => reachable(connections, nets[0]?.peerId).size === NODES));
  await firstValueFrom(race(joined$, timer(LIMIT_MS)));
  await firstValueFrom(timer(SETTLE_MS));
  console.log(`${elapsed()}  all have joined; node 1 sends "${LINE}"`);

  nets[0]?.broadcast(LINE);
  const everyone$ = timer(0, 10).pipe(filter(() => received.size >= NODES - 1));
  await firstValueFrom(race(everyone$, timer(LIMIT_MS)));
  await firstValueFrom(timer(SETTLE_MS));

  const counts = [...received.values()];
  const isWell = counts.length === NODES - 1 && counts.every((count) => count === 1);
  console.log(
    `${elapsed()}  ${received.size} of ${NODES - 1} others got it, ${isWell ? 'each exactly once' : 'NOT once each'}`,
  );
  await Promise.all(nets.map((net) => net.close()));
  return isWell;
}

/** Who can be reached from a node, itself included. */
function reachable(connections: ReadonlyMap<string, ReadonlySet<Connection>>, from = ''): Set<string> {
  const reached = new Set([from]);
  for (const node of reached) for (const { peerId } of connections.get(node) ?? []) reached.add(peerId);
  return reached;
}
