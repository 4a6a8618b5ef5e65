import { Reassembly } from '../../../lib/connection/transport/reassembly.js';
import { DelayedAck } from '../../../lib/connection/transport/delayed-ack.js';
import { TransportLink } from '../../../lib/connection/transport/transport-link.js';
import { FRAME, type Frame } from '../../../lib/link/frames.js';
import { VirtualClock, VirtualLink } from '../virtual-links.js';

describe('The stream of a peer, put together from several links', () => {
  /** What its reader did, in order. A reader that has taken something asks for more from within that call, as a connection does. */
  function read() {
    const scheduler = new VirtualClock();
    const story: string[] = [];
    const links = new Set<TransportLink>();
    const config = {
      scheduler,
      stream: {
        hasRoom: () => true,
        onData: (bytes: Buffer) => {
          story.push(`${String(bytes)} begins`);
          reassembly.release();
          story.push(`${String(bytes)} ends`);
        },
      },
      host: {
        onFault: (fault: unknown) => {
          throw fault;
        },
      },
    };
    const reassembly: Reassembly = new Reassembly(config, {
      get links() {
        return [...links];
      },
      ack: new DelayedAck(scheduler, { acknowledge: () => true }),
      handle: (link, { payload }) => reassembly.take(link, payload),
      drop: (link) => links.delete(link),
    });
    /** A link on which data begin at an offset. */
    const linkAt = (at: number) => {
      const link = new TransportLink(new VirtualLink(`at ${at}`, true).here, true);
      link.at = at;
      links.add(link);
      return link;
    };
    return { story, reassembly, linkAt };
  }

  const data = (text: string): Frame => ({ type: FRAME.data, payload: Buffer.from(text) });

  it('is read piece by piece, even if another link holds the next piece and the reader asks for more', () => {
    const { story, reassembly, linkAt } = read();
    const [first, second] = [linkAt(0), linkAt(3)];
    reassembly.hold(second, data('def'));
    expect(story).toEqual([]);
    reassembly.take(first, Buffer.from('abc'));
    expect(story).toEqual(['abc begins', 'abc ends', 'def begins', 'def ends']);
    expect(reassembly.received).toBe(6);
    reassembly.stop();
  });

  it('is read piece by piece when a link breaks that holds some of it', () => {
    const { story, reassembly, linkAt } = read();
    const [first, second] = [linkAt(0), linkAt(3)];
    first.hold(data('abc'));
    second.hold(data('def'));
    reassembly.takeRest(first);
    reassembly.release();
    expect(story).toEqual(['abc begins', 'abc ends', 'def begins', 'def ends']);
    reassembly.stop();
  });
});
