import { Heartbeats } from '../../lib/connection/heartbeats.js';
import { VirtualClock } from './virtual-links.js';

describe('Heartbeats', () => {
  /** Connections that note when it was time for each of their heartbeats. */
  function beating() {
    const clock = new VirtualClock();
    const heartbeats = new Heartbeats(clock, 100);
    const story: string[] = [];
    /** Returns what ends them. */
    const add = (name: string, onBeat: () => void = () => undefined) => {
      const heartbeat = heartbeats.add({
        beat: () => {
          story.push(`${clock.now()} ${name}`);
          onBeat();
        },
      });
      return () => {
        heartbeats.end(heartbeat);
      };
    };
    return { clock, story, add };
  }

  it('come after each interval, for each in its own time', () => {
    const { clock, story, add } = beating();
    add('a');
    clock.pass(30);
    add('b');
    clock.pass(200);
    expect(story).toEqual(['100 a', '130 b', '200 a', '230 b']);
  });

  it('end for one, and go on for the others', () => {
    const { clock, story, add } = beating();
    const end = add('a');
    clock.pass(10);
    add('b');
    end();
    end();
    clock.pass(200);
    expect(story).toEqual(['110 b', '210 b']);
  });

  it('may be ended or begun by a heartbeat', () => {
    const { clock, story, add } = beating();
    const end = add('a', () => {
      end();
      add('b');
    });
    clock.pass(250);
    expect(story).toEqual(['100 a', '200 b']);
  });

  it('leave no timer behind when all have ended', () => {
    const { clock, story, add } = beating();
    const timers = spyOn(clock, 'schedule').and.callThrough();
    const ends = [add('a'), add('b')];
    for (const end of ends) end();
    expect(timers.calls.all().map(({ returnValue }) => returnValue.closed)).toEqual([true]);
    clock.pass(50);
    add('c');
    clock.pass(100);
    expect(story).toEqual(['150 c']);
  });
});
