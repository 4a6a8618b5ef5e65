import { portLooksOf, portsPicture } from '../../../lib/cli/story/ports.js';
import type { StoryEvent } from '../../../lib/cli/story/story.js';
import type { PortSample } from '../../../lib/nat/classify.js';
import type { NatType } from '../../../lib/unl/types.js';

const SERVERS = ['45.45.10.2', '45.45.11.3'];

/** Two servers look at each port inside; what they see is chosen by the order. */
const looksBy = (outside: (localPort: number, order: number) => number): readonly PortSample[] =>
  [20_000, 20_001].flatMap((localPort, i) =>
    SERVERS.map((address, j) => ({
      localPort,
      server: { address, port: 8_000 },
      observed: { address: '45.45.1.7', port: outside(localPort, 2 * i + j) },
    })),
  );

const nat = (family: 4 | 6, natType: NatType, looks: readonly PortSample[]): StoryEvent => ({
  type: 'nat',
  family,
  natType,
  confidence: 1,
  addresses: [],
  samples: looks.length,
  looks,
  at: 0,
});

/** How high each mark stands, in percent. */
const heights = (picture: string) =>
  Array.from(picture.matchAll(/class="look shape\d" style="left: [\d.]+%; bottom: ([\d.]+)%/g), ([, bottom]) =>
    Number(bottom),
  );

describe('The picture of the ports that servers saw', () => {
  it('is of what was looked at last, by each family', () => {
    const [old, last] = [looksBy((port) => port), looksBy((_, order) => 40_000 + order)];
    const events = [
      nat(4, { type: 'preserving' }, old),
      nat(4, { type: 'delta', delta: 1 }, last),
      nat(6, { type: 'open' }, []),
    ];
    expect(portLooksOf(events)).toEqual([{ family: 4, natType: { type: 'delta', delta: 1 }, looks: last }]);
    expect(portLooksOf([])).toEqual([]);
  });

  it('shows a port that is the same for everybody at one height, stairs where a NAT counts, and one port in the middle', () => {
    const pictureOf = (looks: readonly PortSample[]) =>
      portsPicture({ family: 4, natType: { type: 'unknown' }, looks });
    expect(heights(pictureOf(looksBy((port) => port)))).toEqual([8, 8, 92, 92]);
    expect(heights(pictureOf(looksBy((_, order) => 1_000 + 10 * order)))).toEqual([8, 36, 64, 92]);
    expect(heights(pictureOf(looksBy(() => 7)))).toEqual([50, 50, 50, 50]);
  });

  it('tells each look in words, without the end of an address', () => {
    const picture = portsPicture({ family: 4, natType: { type: 'random' }, looks: looksBy(() => 7) });
    expect(picture).toContain('title="from port 20000, server 2 saw 45.45.1.x port 7"');
    expect(picture).toContain('server 2: 45.45.11.x port 8000');
    expect(picture).not.toContain('45.45.1.7');
  });
});
