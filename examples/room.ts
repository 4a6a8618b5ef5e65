// A room: whoever joins it by the same name sees who else is there, and what one says reaches all. Here three nodes of one machine find each other
// by a rendezvous server; one of them goes.
//
//   npm run room
import { combineLatest, filter, firstValueFrom, map, ReplaySubject, Subject, take, takeUntil, toArray } from 'rxjs';
import { createNet, type Room, type RoomMember } from 'rxp2p';
import { rendezvousServer$ } from 'rxp2p/servers';

const server = rendezvousServer$({ bind: '127.0.0.1', port: 0 });

const running = server.subscribe({
  next: ({ local }) => {
    meet(`127.0.0.1:${local.port}`).then(() => {
      running.unsubscribe();
    }, fail);
  },
  error: fail,
});

async function meet(rendezvous: string): Promise<void> {
  const nets = ['127.0.0.2', '127.0.0.3', '127.0.0.4'].map((bind) =>
    createNet({ mode: 'direct', bind, rendezvous: [rendezvous] }),
  );
  const names = new Map(nets.map(({ peerId }, index) => [peerId, ['Alice', 'Bob', 'Carol'][index] ?? '']));
  try {
    // Joining is an Observable: it is cold, and unsubscribing leaves. Who has not the secret neither finds the room nor gets in.
    const leaving = new Subject<void>();
    const rooms = await Promise.all(
      nets.map((net, index) => {
        const room = new ReplaySubject<Room>(1);
        const room$ = net.join$('chess-club', { secret: 'queen takes f7' });
        (index === 2 ? room$.pipe(takeUntil(leaving)) : room$).subscribe(room);
        return firstValueFrom(room);
      }),
    );

    await firstValueFrom(combineLatest(rooms.map(({ members$ }) => members$)).pipe(filter((all) => all.every(isFull))));
    console.log('All three are there');

    const [alice, bob, carol] = rooms;
    if (alice === undefined || bob === undefined || carol === undefined) throw new Error('Expected three rooms');
    const heard = [bob, carol].map(({ messages$ }) => firstValueFrom(messages$.pipe(take(2), toArray())));
    alice.publish('1. e4');
    alice.publish('Anyone?');
    for (const [index, messages] of (await Promise.all(heard)).entries())
      for (const { from, text } of messages)
        console.log(`${['Bob', 'Carol'][index]} hears ${names.get(from)}: ${text}`);

    const isGone$ = alice.members$.pipe(filter((members) => members.length === 1));
    const left = firstValueFrom(isGone$.pipe(map(([other]) => names.get(other?.peerId ?? ''))));
    leaving.next();
    console.log(`Carol has left, ${await left} is still there`);
  } finally {
    await Promise.all(nets.map((net) => net.close()));
  }
}

function isFull(members: readonly RoomMember[]): boolean {
  return members.length === 2;
}

function fail(error: unknown): void {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
