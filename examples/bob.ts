// Bob's node of a flooding network, PyP2P's second example: he finds Alice through the rendezvous server, and repeatedly
// sends the whole network a line.
//
//   npm run alice        in one terminal
//   npm run bob          in another
import { interval } from 'rxjs';
import { createNet } from 'rxp2p';

const bob = createNet({ mode: 'p2p', bind: '127.0.0.3', rendezvous: ['127.0.0.1:8000'] });

bob.connections$.subscribe(({ peerId, direction }) => {
  console.log(`${direction} connection with ${peerId}`);
});
bob.lines$.subscribe(({ connection, text }) => {
  console.log(text);
  bob.broadcast(text, connection);
});

try {
  await bob.start();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
console.log('Bob is looking for the network. Ctrl-C ends.');

const sending = interval(1000).subscribe((count) => {
  const text = `test ${count} from Bob`;
  console.log(`sent to ${bob.broadcast(text)}: ${text}`);
});

process.once('SIGINT', () => {
  sending.unsubscribe();
  void bob.close();
});
