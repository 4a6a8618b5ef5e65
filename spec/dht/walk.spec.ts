import { digestOf } from '../../lib/dht/messages.js';
import type { Contact } from '../../lib/dht/node.js';
import { CLOSEST, Walk } from '../../lib/dht/walk.js';
import { formatEndpoint } from '../../lib/endpoint.js';

/** A node with an id of its own. */
function contact(index: number, net = 1): Contact {
  const [address, port] = [`127.${net}.${index >> 8}.${index & 0xff}`, 4000];
  return { address, port, id: digestOf(Buffer.from(`${address}:${port}`)) };
}

/** The nodes closest to a target. */
function closestOf(contacts: readonly Contact[], target: Buffer, count = CLOSEST): Contact[] {
  const distance = ({ id }: Contact) => Buffer.from(id.map((byte, index) => byte ^ (target[index] ?? 0)));
  return contacts.toSorted((a, b) => Buffer.compare(distance(a), distance(b))).slice(0, count);
}

/** Walks to the end: `answer` gives the nodes that a node names, or nothing where nobody answers. */
function walked(walk: Walk, answer: (asked: Contact, path: number) => readonly Contact[] | undefined): Contact[] {
  for (let steps = walk.next(); steps.length > 0; steps = walk.next()) {
    for (const step of steps) {
      const closer = answer(step.contact, step.path);
      const { id, ...seenAs } = step.contact;
      if (closer === undefined) walk.failed(step);
      else walk.answered(step, { id, seenAs, token: undefined, closer, error: 0, value: Buffer.alloc(0) }, true);
    }
  }
  throwUnless(walk.isOver()).toBeTrue();
  return walk.found().map((found) => found.contact);
}

describe('A lookup', () => {
  const target = digestOf(Buffer.from('target'));
  const all = Array.from({ length: 300 }, (_, index) => contact(index));
  /** Each knows forty of the others, and names those of them that are closest. */
  const known = new Map(
    all.map((node, index) => [
      formatEndpoint(node),
      [
        ...closestOf(all, node.id, 30),
        ...Array.from({ length: 10 }, (_, step) => all[(index * 7 + step * 29) % 300] ?? node),
      ],
    ]),
  );
  const honest = (node: Contact) => closestOf(known.get(formatEndpoint(node)) ?? [], target);

  it('finds the closest nodes', () => {
    const found = walked(new Walk(target, all.slice(0, 20), 2, undefined), honest);
    expect(found).toEqual(closestOf(all, target));
  });

  it('asks each node once, on one of its ways', () => {
    const asked: string[] = [];
    walked(new Walk(target, all.slice(0, 20), 2, undefined), (node) => {
      asked.push(formatEndpoint(node));
      return honest(node);
    });
    expect(asked.length).toBe(new Set(asked).size);
  });

  it('finds most of them when a fifth of the nodes lies, and asks few of the nodes that the liars invent', () => {
    const isLiar = (node: Contact) => all.findIndex(({ address }) => address === node.address) % 5 === 4;
    // Close to the target, and not there.
    const decoys = closestOf(
      Array.from({ length: 5_000 }, (_, index) => contact(index, 9)),
      target,
      400,
    );
    let inVain = 0;
    const found = walked(new Walk(target, all.slice(0, 20), 2, undefined), (node) => {
      if (!node.address.startsWith('127.1.')) {
        inVain++;
        return undefined;
      }
      const at = Number(node.id[0]) % 20;
      return isLiar(node) ? decoys.slice(at * 20, at * 20 + 20) : honest(node);
    });
    const wanted = closestOf(all, target);
    expect(
      found.filter((node) => wanted.some(({ address }) => address === node.address)).length,
    ).toBeGreaterThanOrEqual(16);
    expect(inVain).toBeLessThan(80);
  });

  it('takes no more than two nodes of one host, and never itself', () => {
    const crowd = Array.from({ length: 10 }, (_, index) => {
      const [address, port] = ['127.1.0.1', 5000 + index];
      return { address, port, id: digestOf(Buffer.from(`${address}:${port}`)) };
    });
    const [own] = all;
    const walk = new Walk(target, [...crowd, ...all.slice(0, 5)], 2, own?.id);
    const found = walked(walk, () => []);
    expect(found.filter(({ address }) => address === '127.1.0.1').length).toBe(2);
    expect(found.some(({ id }) => own?.id.equals(id))).toBeFalse();
  });

  it('finds nobody without a node to begin with', () => {
    const walk = new Walk(target, [], 2, undefined);
    expect(walk.isOver()).toBeTrue();
    expect(walk.found()).toEqual([]);
  });
});
