import { EMPTY, of, Subject } from 'rxjs';
import type { Link } from '../../../lib/link/link.js';
import type { Allocation } from '../../../lib/techniques/turn/allocation.js';
import { addressesOf, admit$, familyFor, mayComeTo, whileOpen$ } from '../../../lib/techniques/turn/meeting.js';
import { linkOf } from '../../support/attempts.js';
import { unlOf } from '../../support/locators.js';
import { marbles } from '../../support/marbles.js';

const at = (address: string) => ({ kind: 'wan' as const, address, port: 4_000 });

describe('the endpoint at a TURN server that a peer names', () => {
  it('is dialled where it is public, at ports that such servers give out, or where the user has named the server', () => {
    const own = () => unlOf({ endpoints: [at('45.45.1.1')] });
    const knows = (address: string) => address === '192.168.1.9';
    for (const [address, port, isDialled] of [
      ['45.45.2.2', 49_152, true],
      ['45.45.2.2', 65_535, true],
      ['2a45:45::2', 50_000, true],
      ['192.168.1.9', 50_000, true],
      ['45.45.2.2', 49_151, false],
      ['45.45.2.2', 443, false],
      ['192.168.1.9', 22, false],
      ['192.168.1.1', 50_000, false],
      ['10.0.0.1', 50_000, false],
      ['127.0.0.1', 50_000, false],
      ['169.254.169.254', 50_000, false],
      ['224.0.0.1', 50_000, false],
      ['255.255.255.255', 50_000, false],
      ['198.51.100.7', 50_000, false],
      ['64:ff9b::a00:1', 50_000, false],
      ['fd00::1', 50_000, false],
    ] as const)
      expect(mayComeTo({ address, port }, { own, knows })).withContext(`${address}:${port}`).toBe(isDialled);
  });

  it('may be on loopback for a node that is nowhere else', () => {
    const loopback = { address: '127.0.0.1', port: 50_000 };
    const knows = () => false;
    expect(mayComeTo(loopback, { own: () => unlOf({ endpoints: [] }), knows })).toBeFalse();
    expect(mayComeTo(loopback, { own: () => unlOf({ endpoints: [at('127.0.0.2')] }), knows })).toBeTrue();
    expect(
      mayComeTo(loopback, { own: () => unlOf({ endpoints: [at('127.0.0.2'), at('10.0.0.1')] }), knows }),
    ).toBeFalse();
  });
});

describe('the addresses from which a peer may dial', () => {
  it('are those where it is seen before its own, each once, and a few', () => {
    const endpoints = [
      { ...at('192.168.1.7'), kind: 'lan' as const },
      at('45.45.1.1'),
      at('45.45.1.1'),
      at('2a45:45::1'),
    ];
    expect(addressesOf(unlOf({ endpoints }))).toEqual(['45.45.1.1', '2a45:45::1', '192.168.1.7']);
    const many = Array.from({ length: 20 }, (_, i) => at(`45.45.1.${i}`));
    expect(addressesOf(unlOf({ endpoints: many }))).toHaveSize(8);
  });

  it('are of a family that both have, IPv4 first, or of the peer’s', () => {
    const [four, six] = [['45.45.1.1'], ['2a45:45::1']];
    expect(familyFor([...six, ...four], [...four, ...six])).toBe(4);
    expect(familyFor(six, [...four, ...six])).toBe(6);
    expect(familyFor([...six, ...four], six)).toBe(6);
    expect(familyFor(six, four)).toBe(4);
    expect(familyFor(four, six)).toBe(6);
    expect(familyFor([], [])).toBe(4);
  });

  it('are let in one beside the other, and what the server refuses is no failure', () => {
    marbles(({ cold, expectObservable }) => {
      const answers: Readonly<Record<string, string>> = { '45.45.1.1': '-a', '45.45.1.2': '--#', '45.45.1.3': '---a' };
      const asked: string[] = [];
      const allocation: Allocation = {
        relayed: { address: '45.45.9.9', port: 50_000 },
        permit$: (address) => {
          asked.push(address);
          return cold(answers[address] ?? '#');
        },
        arrival$: EMPTY,
        connect$: () => EMPTY,
      };
      const addresses = ['45.45.1.1', '45.45.1.2', '45.45.1.3', '45.45.1.1', '2a45:45::1', '0.0.0.0'];
      expectObservable(admit$(allocation, addresses)).toBe('---a', { a: undefined });
      expectObservable(of(asked)).toBe('(a|)', { a: ['45.45.1.1', '45.45.1.2', '45.45.1.3'] });
    });
  });
});

describe('work that a link needs', () => {
  it('goes on until the link is closed, whoever has unsubscribed', async () => {
    const work = new Subject<Link>();
    const links: Link[] = [];
    whileOpen$(work).subscribe((link) => links.push(link)).unsubscribe(); // prettier-ignore
    expect(work.observed).withContext('without a link').toBeFalse();

    whileOpen$(work).subscribe((link) => links.push(link));
    const [link, another] = [linkOf('turn'), linkOf('turn')];
    work.next(link);
    expect([links, work.observed]).toEqual([[link], true]);
    work.next(another);
    expect([links.length, another.stream.destroyed]).toEqual([1, true]);
    const closed = new Promise((resolve) => link.stream.once('close', resolve));
    link.stream.destroy();
    await closed;
    expect(work.observed).toBeFalse();
  });
});
