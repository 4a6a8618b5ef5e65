// Alice's node of a flooding network, PyP2P's first example. She also runs the rendezvous server, so that the pair needs
// nothing else.
//
//   npm run alice        in one terminal
//   npm run bob          in another
import { createNet } from 'rxp2p';
import { serve$ } from 'rxp2p/servers';

const servers = serve$({ bind: '127.0.0.1', port: 8000, httpPort: 0 }).subscribe({
  error: (error: unknown) => {
    console.log(
      'no server started here, so there must be one already:',
      error instanceof Error ? error.message : error,
    );
  },
});

const alice = createNet({ mode: 'p2p', bind: '127.0.0.2', rendezvous: ['127.0.0.1:8000'] });

alice.connections$.subscribe(({ peerId, direction }) => {
  console.log(`${direction} connection with ${peerId}`);
});
// A node of a flooding network passes every line on; what has been here before is dropped.
alice.lines$.subscribe(({ connection, text }) => {
  console.log(text);
  alice.broadcast(text, connection);
});

try {
  await alice.start();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
console.log('Alice is in the network. Start Bob: npm run bob. Ctrl-C ends.');

process.once('SIGINT', () => {
  servers.unsubscribe();
  void alice.close();
});
