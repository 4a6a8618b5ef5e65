// The processes of the benchmarks of rooms: a rendezvous server, and nodes that say something and count what they hear.
import { setTimeout as pause } from 'node:timers/promises';
import { map, mergeMap, noop, share, switchMap, type Observable } from 'rxjs';
import { createNet, type Net, type Room } from '../../lib/index.js';
import { dhtServer$, rendezvousServer$ } from '../../servers/index.js';
import { numberOf, textOf, type Actor, type Handlers, type Role, type Start, type Values } from './actors.js';
import { cpuTime, footprint } from './footprint.js';

/** The name of the room. */
export const ROOM = 'bench';

/** Length of each message, in bytes. */
export const BYTES = 1_024;

/** What all processes with nodes have counted, and their CPU time in milliseconds. */
export async function figuresOf(actors: readonly Actor[]) {
  const all = await Promise.all(actors.map((actor) => actor.ask('figures')));
  const sum = (name: string) => all.reduce((total, values) => total + numberOf(values, name), 0);
  return { delivered: sum('delivered'), received: sum('received'), firsts: sum('firsts'), cpuMs: sum('cpu') };
}

/** Whether so many nodes can be reached from the first, by those who are connected. */
async function isWhole(actors: readonly Actor[], nodes: number): Promise<boolean> {
  const told = await Promise.all(actors.map((actor) => actor.ask('edges')));
  const edges = new Map(
    told
      .flatMap((values) => textOf(values, 'edges').split('\n').filter(Boolean))
      .map((line) => {
        const [from = '', ...to] = line.split(' ');
        return [from, to] as const;
      }),
  );
  const reached = new Set([...edges.keys()].slice(0, 1));
  for (const node of reached) for (const other of edges.get(node) ?? []) reached.add(other);
  return reached.size >= nodes;
}

/** Starts processes that have so many nodes together, numbered from `first` on. */
export function startNodes(
  start: Start,
  kind: Kind,
  where: string | number,
  { nodes, processes, first = 0 }: { readonly nodes: number; readonly processes: number; readonly first?: number },
): Promise<readonly Actor[]> {
  const before = (index: number) => first + Math.floor((nodes * index) / processes);
  return Promise.all(
    Array.from({ length: processes }, async (_, index) => {
      const actor = start('nodes', kind);
      await actor.ask('make', { where, first: before(index), count: before(index + 1) - before(index) });
      return actor;
    }),
  );
}

/** Has all nodes join. Resolves when each can be reached from each, or when time is up, to how long it has taken: both in milliseconds. */
export async function joinAll(actors: readonly Actor[], nodes: number, withinMs: number): Promise<number> {
  const begun = performance.now();
  await Promise.all(actors.map((actor) => actor.ask('join')));
  while (!(await isWhole(actors, nodes)) && performance.now() - begun < withinMs) await pause(LOOK_MS);
  return performance.now() - begun;
}

/** How often it is looked whether all are connected, in milliseconds. */
const LOOK_MS = 100;

/** A room whose members find each other by a rendezvous server, or by the DHT alone; or a flooding network. */
export type Kind = 'room' | 'dht' | 'flood';

/** What the members find each other by: a rendezvous server, or the first node of a DHT. */
export function serverOf(kind: string): ReturnType<Role> {
  return {
    listen: () =>
      new Promise<Values>((resolve, reject) => {
        const at = { bind: '127.0.0.1', port: 0 };
        const server$: Observable<{ readonly local: { readonly port: number } }> =
          kind === 'dht' ? dhtServer$(at) : rendezvousServer$(at);
        server$.subscribe({
          next: ({ local }) => {
            resolve({ where: `127.0.0.1:${local.port}` });
          },
          error: reject,
        });
      }),
  };
}

/** Some of the nodes of a room, or of a flooding network, in one process. */
export function nodesOf(kind: string): Handlers {
  const nets: Net[] = [];
  const joined: Room[] = [];
  /** Whom each is connected to. */
  const edges = new Map<string, ReadonlySet<string>>();
  let [delivered, received, firsts, said] = [0, 0, 0, 0];
  let next = 0;
  const joinWith = (net: Net) => {
    if (kind === 'flood') joinFlood(net);
    else joinRoom(net);
    return net.start();
  };
  return {
    make: (values) => {
      const first = numberOf(values, 'first');
      for (let index = first; index < first + numberOf(values, 'count'); index++)
        nets.push(
          createNet({
            mode: kind === 'flood' ? 'p2p' : 'direct',
            bind: `127.0.${10 + (index >> 7)}.${(index & 127) + 1}`,
            [kind === 'dht' ? 'dht' : 'rendezvous']: [textOf(values, 'where')],
            ...(kind === 'flood' && { slots: { inbound: 10, outbound: 10 } }),
          }),
        );
      return {};
    },
    join: async () => {
      await Promise.all(nets.map(joinWith));
      return {};
    },
    joinOne: async () => {
      const net = nets[next++];
      if (net !== undefined) await joinWith(net);
      return {};
    },
    leaveOne: async () => {
      await nets.pop()?.close();
      return {};
    },
    edges: () => ({ edges: [...edges].map(([from, to]) => [from, ...to].join(' ')).join('\n') }),
    say: () => {
      const text = `${said++} ${'x'.repeat(BYTES)}`.slice(0, BYTES);
      if (kind === 'flood') nets[0]?.broadcast(text);
      else if (joined[0]?.publish(text) !== true) throw new Error('Expected to be allowed to say something');
      return {};
    },
    footprint,
    figures: () => ({ delivered, received, firsts, cpu: cpuTime() }),
  };

  function joinRoom(net: Net): void {
    net.trace$.subscribe((step) => {
      // What members say of their being there goes the same way, and counts.
      if (step.type !== 'room' || step.step !== 'received') return;
      received++;
      if (!step.isCopy) firsts++;
    });
    const room$ = net.join$(ROOM).pipe(share());
    room$.subscribe({
      next: (room) => joined.push(room),
      error: noop,
    });
    room$.pipe(switchMap(({ messages$ }) => messages$)).subscribe(() => delivered++);
    room$.pipe(switchMap(({ neighbours$ }) => neighbours$)).subscribe((ids) => edges.set(net.peerId, new Set(ids)));
  }

  function joinFlood(net: Net): void {
    const open = new Set<string>();
    edges.set(net.peerId, open);
    net.connections$.subscribe(({ peerId }) => open.add(peerId));
    net.connections$
      .pipe(mergeMap(({ peerId, closed$ }) => closed$.pipe(map(() => peerId))))
      .subscribe((peerId) => open.delete(peerId));
    net.trace$.subscribe((step) => {
      if (step.type === 'dropped' && step.what === 'line') received++;
    });
    net.lines$.subscribe(({ connection, text }) => {
      delivered++;
      firsts++;
      received++;
      net.broadcast(text, connection);
    });
  }
}
