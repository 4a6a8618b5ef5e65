import { DelayedAck } from '../../../lib/connection/transport/delayed-ack.js';
import { VirtualClock } from '../virtual-links.js';

const MIB = 1_048_576;

describe('An acknowledgement', () => {
  /** What was said and when, in milliseconds. */
  function open() {
    const clock = new VirtualClock();
    const said: (readonly [ms: number, received: number])[] = [];
    let canSay = true;
    const ack = new DelayedAck(clock, {
      acknowledge: (received) => {
        if (canSay) said.push([clock.now(), received]);
        return canSay;
      },
    });
    const mute = (isMute: boolean) => {
      canSay = !isMute;
    };
    return { clock, said, ack, mute };
  }

  it('is sent 200 ms after the first bytes, for all that have come by then', () => {
    const { clock, said, ack } = open();
    ack.advance(10);
    clock.pass(150);
    ack.advance(20);
    clock.pass(1_000);
    expect(said).toEqual([[200, 20]]);
  });

  it('is sent every half second while bytes keep coming, and 200 ms after the first ones that come later', () => {
    const { clock, said, ack } = open();
    for (let received = 1; received <= 14; received++) {
      ack.advance(received);
      clock.pass(100);
    }
    clock.pass(600);
    ack.advance(15);
    clock.pass(1_000);
    expect(said).toEqual([
      [200, 2],
      [700, 7],
      [1_200, 12],
      [1_700, 14],
      [2_200, 15],
    ]);
  });

  it('is sent at once for 262,144 bytes, and not again later', () => {
    const { clock, said, ack } = open();
    ack.advance(10);
    ack.advance(262_144);
    clock.pass(1_000);
    expect(said).toEqual([[0, 262_144]]);
  });

  it('is sent for twice as many bytes each time, up to 2 MiB', () => {
    const { said, ack } = open();
    for (let received = 0; received <= 8 * MIB; received += 16_384) ack.advance(received);
    expect(said.map(([, received]) => received / MIB)).toEqual([0.25, 0.75, 1.75, 3.75, 5.75, 7.75]);
  });

  it('is sent for fewer bytes once the peer has waited for one, and never for so many again', () => {
    const { clock, said, ack } = open();
    let [received, acknowledged] = [0, 0];
    // The peer keeps half a mebibyte.
    for (let i = 0; i < 400; i++) {
      if (received - acknowledged < MIB / 2) received += 16_384;
      else clock.pass(100);
      ack.advance(received);
      acknowledged = said.at(-1)?.[1] ?? 0;
    }
    const waitedMs = clock.now();
    expect(waitedMs).toBeLessThanOrEqual(1_000);
    expect(received).toBeGreaterThan(6 * MIB);
  });

  it('goes along with what else is sent, for 65,536 bytes and more', () => {
    const { clock, said, ack } = open();
    ack.advance(65_535);
    ack.along();
    expect(said).toEqual([]);
    ack.advance(65_536);
    ack.along();
    ack.along();
    clock.pass(1_000);
    expect(said).toEqual([[0, 65_536]]);
  });

  it('can be sent early if something is owed, and repeated if nothing is', () => {
    const { clock, said, ack } = open();
    ack.flush();
    expect(said).toEqual([]);
    ack.advance(10);
    ack.flush();
    ack.flush();
    ack.now();
    clock.pass(1_000);
    expect(said).toEqual([
      [0, 10],
      [0, 10],
    ]);
  });

  it('stays owed when it could not be sent', () => {
    const { clock, said, ack, mute } = open();
    mute(true);
    ack.advance(10);
    clock.pass(200);
    mute(false);
    ack.flush();
    expect(said).toEqual([[200, 10]]);
  });

  it('is not sent later once that is stopped', () => {
    const { clock, said, ack } = open();
    ack.advance(10);
    ack.stop();
    clock.pass(1_000);
    expect([said, clock.actions.length]).toEqual([[], 0]);
  });
});
