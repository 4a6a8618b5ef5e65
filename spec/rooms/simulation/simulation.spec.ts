import { EventQueue } from './event-queue.js';
import { besideIroh, IROH } from './beside.js';
import { drawChart, pictureBeside, picturesOf } from './pictures.js';
import { honestRoom, hostileRoom, type Row } from './scenarios.js';
import { leftToCi } from '../../support/left-to-ci.js';

const unmet = (rows: readonly Row[]) => rows.filter(({ isMet }) => !isMet);

describe('A simulated room', () => {
  it('of 300 nodes reaches everybody by a tree, and mends itself when a tenth changes and when half is gone', () => {
    const { rows, figures } = honestRoom(300, 1);
    expect(unmet(rows)).toEqual([]);
    expect(rows.length).toBe(7);
    expect(figures.degrees.reduce((sum, count) => sum + count, 0)).toBe(300);
    const pictures = picturesOf(figures);
    expect([...pictures.keys()]).toEqual(['rooms-degrees.svg', 'rooms-copies.svg', 'rooms-hops.svg']);
  });

  it('of 200 nodes, a tenth of them hostile, reaches the honest ones, and nobody stores without bound', () => {
    leftToCi();
    expect(unmet(hostileRoom(200, 7))).toEqual([]);
  });

  it('of 100 nodes carries messages of many authors by fewer copies than iroh-gossip, and in no more hops', () => {
    const beside = besideIroh();
    expect(beside.copies).toBeLessThan(1.05);
    expect(beside.lastHop).toBeLessThan(IROH.lastHop);
    expect(pictureBeside(beside)).toContain('iroh-gossip');
  });

  it('is the same for the same seed', () => {
    const figures = () => honestRoom(40, 3).figures;
    expect(figures()).toEqual(figures());
  });
});

describe('Virtual time', () => {
  it('has everything happen in its order, and stops where it is told to', () => {
    const queue = new EventQueue<string>();
    queue.add(5, 'c');
    queue.add(2, 'a');
    queue.add(2, 'b');
    expect([queue.take(4), queue.take(4), queue.take(4), queue.now]).toEqual(['a', 'b', undefined, 4]);
    queue.add(4, 'now');
    expect([queue.take(5), queue.take(5), queue.take(5), queue.size]).toEqual(['now', 'c', undefined, 0]);
  });
});

describe('A chart', () => {
  it('has a bar for each value, and its words are safe', () => {
    const svg = drawChart({
      title: 'a < b',
      about: 'c & d',
      xAxis: 'x',
      yAxis: 'y',
      labels: ['1', '2'],
      series: [{ name: 'n', values: [1, 2] }],
      notes: [],
    });
    expect(svg).toContain('a &lt; b');
    expect(svg).toContain('c &amp; d');
    expect(svg.match(/<rect /g)?.length).toBe(4);
  });
});
