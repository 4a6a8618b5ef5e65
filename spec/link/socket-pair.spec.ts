import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { socketPair } from '../../lib/link/socket-pair.js';

describe('A pair of sockets', () => {
  it('connects, and carries bytes both ways to their end', async () => {
    const [here, there] = socketPair();
    await Promise.all([once(here, 'connect'), once(there, 'connect')]);
    here.end('ping');
    there.end('pong');
    expect(await Promise.all([text(here), text(there)])).toEqual(['pong', 'ping']);
  });

  it('ends for the other one when it is destroyed', async () => {
    const [here, there] = socketPair();
    here.destroy();
    expect(await text(there)).toBe('');
  });
});
