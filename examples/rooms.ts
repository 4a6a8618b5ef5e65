// A room of 30 nodes on one machine, each on its own loopback address: they find each other by one rendezvous server, and a message spreads by a
// tree. Each node has a channel to a few others; messages are told of on all of them, and each node asks for the first on one: from then on that is its branch.
//
//   npm run rooms
//
// On macOS, which has 127.0.0.1 only, add the addresses first: sudo ifconfig lo0 alias 127.0.1.1 (to 127.0.1.30)
import { filter, firstValueFrom, map, race, timer } from 'rxjs';
import { createNet, type Net, type Room, type RoomStep } from 'rxp2p';
import { rendezvousServer$ } from 'rxp2p/servers';

const NODES = 30;
/** Messages after which the tree has settled. */
const WARM_UP = 5;
/** Long after a message is over: a copy that is still under way would show. */
const SETTLE_MS = 1_000;
const LIMIT_MS = 110_000;

/** What has been seen of one message. */
interface Spread {
  /** Each node that has it, with the one that it came from and by how many hops. */
  readonly has: Map<number, { readonly from: number; readonly hops: number }>;
  copies: number;
}

const start = performance.now();
const elapsed = () => `${Math.round(performance.now() - start)} ms`.padStart(8);
const fail = (error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
};

const server = rendezvousServer$({ bind: '127.0.0.1', port: 0 }).subscribe({
  next: ({ local }) => {
    show(`127.0.0.1:${local.port}`).then((isWell) => {
      process.exitCode = isWell ? 0 : 1;
      server.unsubscribe();
    }, fail);
  },
  error: fail,
});

async function show(rendezvous: string): Promise<boolean> {
  const nets = Array.from({ length: NODES }, (_, index) =>
    createNet({ mode: 'direct', bind: `127.0.1.${index + 1}`, rendezvous: [rendezvous] }),
  );
  const numbers = new Map(nets.map(({ peerId }, index) => [peerId, index + 1]));
  const spreads = new Map<string, Spread>();
  const rooms = await Promise.all(nets.map((net, index) => joined(net, index + 1)));
  const known = rooms.map(() => 0);
  rooms.forEach(({ members$ }, index) => members$.subscribe(({ length }) => (known[index] = length)));

  await until(() => known.every((others) => others === NODES - 1));
  console.log(`${elapsed()}  ${NODES} nodes are in the room, and each knows of all others`);
  await firstValueFrom(timer(SETTLE_MS));

  const first = await say('first');
  tell('the first message', first);
  for (let count = 0; count < WARM_UP; count++) await say('again');
  const last = await say('last');
  draw(last);
  tell('once the tree is there, a message', last);
  await Promise.all(nets.map((net) => net.close()));
  return [first, last].every(({ has }) => has.size === NODES - 1);

  /** Has a net join, and notes what it receives. */
  function joined(net: Net, number: number): Promise<Room> {
    net.trace$.subscribe((step) => {
      if (step.type === 'room' && step.step === 'received') note(number, step);
    });
    return new Promise((resolve, reject) => {
      net.join$('chess-club').subscribe({ next: resolve, error: reject });
    });
  }

  function note(number: number, { id, peerId, hops, isCopy }: Extract<RoomStep, { readonly step: 'received' }>): void {
    const spread = spreads.get(id) ?? { has: new Map(), copies: 0 };
    spreads.set(id, spread);
    if (isCopy) spread.copies++;
    else spread.has.set(number, { from: numbers.get(peerId) ?? 0, hops });
  }

  /** Node 1 says something: resolves to how it has spread. */
  async function say(text: string): Promise<Spread> {
    spreads.clear();
    rooms[0]?.publish(text);
    const whole = () => [...spreads.values()].find(({ has }) => has.size === NODES - 1 && !has.has(1));
    await until(() => whole() !== undefined);
    await firstValueFrom(timer(SETTLE_MS));
    return whole() ?? { has: new Map(), copies: 0 };
  }
}

/** Waits for something, but not for ever. */
async function until(isSo: () => boolean): Promise<void> {
  const so$ = timer(0, 10).pipe(filter(isSo));
  const late$ = timer(LIMIT_MS).pipe(
    map(() => {
      throw new Error('It took too long');
    }),
  );
  await firstValueFrom(race(so$, late$));
}

/** Draws the tree by which a message has gone. */
function draw({ has }: Spread, from = 1, indent = ''): void {
  if (from === 1) console.log(`\n${elapsed()}  the way of the last message, from node 1`);
  const next = [...has].filter(([, { from: parent }]) => parent === from).map(([number]) => number);
  for (const [index, number] of next.entries()) {
    const isLast = index === next.length - 1;
    console.log(`          ${indent}${isLast ? '└' : '├'}─ ${number}`);
    draw({ has, copies: 0 }, number, `${indent}${isLast ? '   ' : '│  '}`);
  }
}

function tell(what: string, { has, copies }: Spread): void {
  const hops = Math.max(...[...has.values()].map((each) => each.hops));
  const perNode = ((has.size + copies) / has.size).toFixed(2);
  console.log(
    `${elapsed()}  ${what} has reached ${has.size} of ${NODES - 1} others by as many edges, in ${hops} hops at most, ` +
      `and ${copies} times somebody who had it: ${perNode} copies a node`,
  );
}
