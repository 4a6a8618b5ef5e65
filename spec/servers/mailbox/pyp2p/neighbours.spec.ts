import { Neighbours } from '../../../../servers/mailbox/pyp2p/neighbours.js';

const nodeOf = (id: string, network = 'one', alive = 10) => ({ id, network, alive });

describe('The neighbours of a PyP2P node', () => {
  function neighboursOf(...nodes: readonly ReturnType<typeof nodeOf>[]) {
    const neighbours = new Neighbours<ReturnType<typeof nodeOf>>(Math.random);
    for (const node of nodes) neighbours.add(node);
    const idsOf = (network = 'one', most = 10, since = 0) =>
      neighbours
        .sample(network, most, since)
        .map(({ id }) => id)
        .sort();
    return { neighbours, idsOf };
  }

  it('are those of its network, each once, at most so many', () => {
    const { idsOf } = neighboursOf(nodeOf('a'), nodeOf('b'), nodeOf('c'), nodeOf('d', 'other'));
    expect(idsOf()).toEqual(['a', 'b', 'c']);
    expect(idsOf()).toEqual(['a', 'b', 'c']);
    expect(idsOf('one', 2)).toHaveSize(2);
    expect(idsOf('none')).toEqual([]);
  });

  it('are no longer those that are forgotten', () => {
    const [a, b, c] = [nodeOf('a'), nodeOf('b'), nodeOf('c')];
    const { neighbours, idsOf } = neighboursOf(a, b, c);
    neighbours.delete(a);
    neighbours.delete(a);
    expect(idsOf()).toEqual(['b', 'c']);
    neighbours.delete(c);
    neighbours.delete(b);
    expect(idsOf()).toEqual([]);
    neighbours.add(a);
    expect(idsOf()).toEqual(['a']);
  });

  it('that have fallen silent are looked at once, and are back when they are heard of', () => {
    let looks = 0;
    const silent = Array.from({ length: 1_000 }, (_, index) => ({
      id: `${index}`,
      network: 'one',
      get alive() {
        looks++;
        return 0;
      },
    }));
    const lively = nodeOf('lively');
    const { neighbours, idsOf } = neighboursOf(...silent, lively);
    expect(idsOf('one', 10, 5)).toEqual(['lively']);
    expect(looks).toBe(1_000);
    expect(idsOf('one', 10, 5)).toEqual(['lively']);
    expect(looks).toBe(1_000);
    neighbours.add(nodeOf('back'));
    expect(idsOf('one', 10, 5)).toEqual(['back', 'lively']);
  });
});
