import { NEVER, of, VirtualTimeScheduler } from 'rxjs';
import { createIdentity } from '../../lib/identity.js';
import { Doors } from '../../lib/rooms/doors.js';
import type { RoomChannel } from '../../lib/rooms/host.js';
import { memberOfRoom, topicOf } from './support.js';

describe('The doors of a room', () => {
  /** The doors, and for what reasons the channels of peers were reset, by the addresses from which these come. */
  function doorsOf() {
    const identity = createIdentity();
    const resets: string[] = [];
    const unexpected = () => {
      throw new Error('Expected nobody to enter');
    };
    const doors = new Doors({
      net: {
        identity,
        runtime: { scheduler: new VirtualTimeScheduler(), timeOfDay: Date.now, random: Math.random },
        accepts: () => true,
        connect$: () => NEVER,
        openChannel: unexpected,
      },
      topic: topicOf('chess'),
      channel: 'chess',
      secret: undefined,
      self: () => memberOfRoom(identity.peerId),
      perSecond: 10,
      host: {
        onOpened: unexpected,
        onFailed: unexpected,
        onClosed: unexpected,
        onMet: unexpected,
        onMessage: unexpected,
      },
    });
    const come = (address: string, direct = true) => {
      const remote = { address, port: 1 };
      const path = { technique: 'direct', direct, local: remote, remote, roundTripMs: undefined };
      const channel: RoomChannel = {
        connection: { peerId: createIdentity().peerId, path$: of(path) },
        reset: () => resets.push(address),
        close: () => undefined,
        closed$: NEVER,
        drain$: NEVER,
        messages$: NEVER,
        eachMessage$: () => NEVER,
        sendMessage: () => true,
      };
      doors.accept(channel);
    };
    return { come, resets };
  }

  it('are shared by sites: one that sends many keys keeps nobody else out who is about to enter', () => {
    const { come, resets } = doorsOf();
    for (let count = 0; count < 64; count++) come('45.45.45.1');
    expect(resets).toEqual([]);
    come('45.45.45.1');
    come('46.46.46.1');
    come('2001:db8:1::1');
    come('2001:db8:1:2::2');
    expect(resets).toEqual(['45.45.45.1', '45.45.45.1', '45.45.45.1', '45.45.45.1']);
  });

  it('let as many keys in by relays as of one site', () => {
    const { come, resets } = doorsOf();
    for (let count = 0; count < 64; count++) come('45.45.45.1', false);
    come('45.45.45.2', false);
    come('46.46.46.1');
    expect(resets).toEqual(['45.45.45.2', '45.45.45.1']);
  });
});
