import { randomBytes } from 'node:crypto';
import { firstValueFrom, VirtualTimeScheduler } from 'rxjs';
import { createIdentity, type NetConfig } from '../../lib/index.js';
import { Entry } from '../../lib/rooms/entry.js';
import { Neighbour } from '../../lib/rooms/neighbour.js';
import { Lab } from '../support/nodes.js';
import { memberOfRoom, signedBy, topicOf } from './support.js';

describe('The channel to a neighbour', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** A neighbour by a channel between two nodes, and the other end of that channel. */
  async function neighbourOf(config: Partial<NetConfig> = {}) {
    const { here, there, net, peer } = await lab.pair(config, {});
    const scheduler = new VirtualTimeScheduler();
    const closed: string[] = [];
    const arriving = firstValueFrom(there.channels$('room'));
    const self = memberOfRoom(net.peerId);
    const entry = new Entry({
      isOpener: true,
      topic: topicOf('chess'),
      own: net.peerId,
      peer: peer.peerId,
      self: () => self,
      secret: undefined,
      random: randomBytes,
    });
    const host = {
      onEntered: unexpected,
      onMessage: unexpected,
      onClosed: (_: Neighbour, reason: string) => closed.push(reason),
    };
    const channel = here.openChannel('room');
    const neighbour = new Neighbour({ channel, isOpener: true, entry, perSecond: 10, scheduler, host });
    neighbour.send({ type: 'prune' });
    return { neighbour, scheduler, closed, other: await arriving };
  }

  function unexpected(): never {
    throw new Error('Expected no message');
  }

  it('is given up with what does not fit, and nothing is thrown', async () => {
    const { neighbour, closed, other } = await neighbourOf({ limits: { messageBytes: 1_024 } });
    const messages = Array.from({ length: 20 }, () => signedBy(createIdentity()));
    const reset = firstValueFrom(other.closed$);
    neighbour.send({ type: 'presence', messages });
    expect(closed).toEqual([jasmine.stringContaining('at most 1024 bytes')]);
    expect((await reset).code).toBe('reset');
    neighbour.send({ type: 'prune' });
    expect(closed.length).toBe(1);
  });

  it('is ended by this node where the peer does not close its side', async () => {
    const { neighbour, scheduler, closed, other } = await neighbourOf();
    const reset = firstValueFrom(other.closed$);
    neighbour.leave();
    scheduler.flush();
    expect((await reset).code).toBe('reset');
    expect(closed).toEqual([]);
  });

  it('is closed as usual where the peer closes its side', async () => {
    const { neighbour, other } = await neighbourOf();
    const over = firstValueFrom(other.closed$);
    other.messages$.subscribe();
    neighbour.leave();
    other.close();
    expect((await over).code).toBe('closed');
  });
});
