import { createIdentity } from '../../lib/identity.js';
import { hostOf, instanceOf, isSigned, isUnder, readStatement, signStatement } from '../../lib/lan/statement.js';
import { formatUnl } from '../../lib/unl.js';
import type { UnlEndpoint } from '../../lib/unl/types.js';
import { lanUnlOf } from '../support/lan.js';
import { unlOf } from '../support/locators.js';

describe('What a node says of itself on the local network', () => {
  const identity = createIdentity();
  const locator = lanUnlOf(identity, '192.168.1.7');
  const statement = { time: 1_764_359_999_123, port: 40_123, unl: formatUnl(locator) };
  const texts = signStatement(identity, statement);

  /** The strings with another in place of the one of a key. */
  const changed = (key: string, value: string) =>
    texts.map((text) => (text.toString().startsWith(`${key}=`) ? Buffer.from(`${key}=${value}`) : text));

  it('is read as it was written, and signed', () => {
    const claim = readStatement(texts);
    expect(claim).toEqual(jasmine.objectContaining({ ...statement, peerId: identity.peerId, locator }));
    expect(claim && isSigned(claim)).toBeTrue();
  });

  it('may have the longest of locators, in strings of at most 255 bytes', () => {
    const endpoints = Array.from({ length: 16 }, (_, index): UnlEndpoint => ({
      kind: 'lan',
      address: `fd00:1:2:3:4:5:6:${(index + 1).toString(16)}`,
      port: 4_000,
    }));
    const unl = formatUnl(unlOf({ peerId: identity.peerId, endpoints: endpoints.slice(0, 15) }));
    expect(unl.length).toBeGreaterThan(450);
    const long = signStatement(identity, { ...statement, unl });
    expect(Math.max(...long.map(({ length }) => length))).toBeLessThanOrEqual(255);
    const claim = readStatement(long);
    expect(claim?.unl).toBe(unl);
    expect(claim && isSigned(claim)).toBeTrue();
  });

  it('says under which topics it wants to be found, the last eight, to those who know them', () => {
    const topics = Array.from({ length: 8 }, (_, index) => Buffer.alloc(32, index + 1));
    const more = signStatement(identity, { ...statement, topics: [Buffer.alloc(32, 9), ...topics] });
    expect(Math.max(...more.map(({ length }) => length))).toBeLessThanOrEqual(255);
    const claim = readStatement(more);
    if (claim === undefined) throw new Error('Expected a statement');
    expect(isSigned(claim)).toBeTrue();
    expect(topics.map((topic) => isUnder(claim, topic))).toEqual(topics.map(() => true));
    expect(isUnder(claim, Buffer.alloc(32, 9))).toBeFalse();
    // What is said later does not tell whether the topics are the same.
    const later = readStatement(signStatement(identity, { ...statement, time: statement.time + 1, topics }));
    expect(later?.marks).not.toBe(claim.marks);
    expect(later && isUnder(later, Buffer.alloc(32, 1))).toBeTrue();
  });

  it('is not signed when the topics are others than it says, and is none when they are no topics', () => {
    const under = (topic: number) => signStatement(identity, { ...statement, topics: [Buffer.alloc(32, topic)] });
    const textOf = (all: readonly Buffer[], key: string) => all.find((text) => text.toString().startsWith(`${key}=`));
    const marks = textOf(under(2), 'r') ?? Buffer.alloc(0);
    const forged = under(1).map((text) => (text.toString().startsWith('r=') ? marks : text));
    const claim = readStatement(forged);
    expect(claim).toBeDefined();
    expect(claim && isSigned(claim)).toBeFalse();
    const added = readStatement([...texts, marks, textOf(under(1), 'h') ?? Buffer.alloc(0)]);
    expect(added && isSigned(added)).toBeFalse();
    for (const wrong of ['r=AAAA', `r=${'A'.repeat(22 * 9)}`, `r=${'+'.repeat(22)}`]) {
      expect(readStatement([...texts, Buffer.from(wrong), textOf(under(1), 'h') ?? Buffer.alloc(0)])).toBeUndefined();
    }
    expect(readStatement([...texts, marks])).toBeUndefined();
  });

  it('may have more, of a later version', () => {
    const claim = readStatement([...texts, Buffer.from('x=new'), Buffer.from('flag'), Buffer.from('t=1')]);
    expect(claim && isSigned(claim)).toBeTrue();
  });

  it('is not signed any more when anything of it is another', () => {
    const other = createIdentity();
    const unl = formatUnl(lanUnlOf(identity, '192.168.1.8'));
    for (const forged of [
      changed('t', '1764359999124'),
      changed('s', '40124'),
      changed('u', unl),
      changed('u', formatUnl(lanUnlOf(other, '192.168.1.7'))),
      changed('g', other.sign(Buffer.from('x')).toString('base64url')),
    ]) {
      const claim = readStatement(forged);
      expect(claim).toBeDefined();
      expect(claim && isSigned(claim)).toBeFalse();
    }
  });

  it('is ignored when it is none', () => {
    for (const bad of [
      [],
      changed('v', '2'),
      changed('t', '-1'),
      changed('t', '1e3'),
      changed('s', '0'),
      changed('s', '65536'),
      changed('u', 'nothing'),
      changed('u', ''),
      changed('g', 'AAAA'),
      changed('g', ''),
      [...texts, ...Array.from({ length: 16 }, () => Buffer.from('x'))],
      [...texts, ...Array.from({ length: 6 }, () => Buffer.alloc(255))],
    ]) {
      expect(readStatement(bad)).toBeUndefined();
    }
  });

  it('has a name that follows from the key', () => {
    const instance = `${identity.nodeId}._rxp2p._tcp.local`;
    expect(instanceOf(identity.peerId)).toBe(instance);
    expect(hostOf(instance)).toBe(`${identity.nodeId}.local`);
    expect(instanceOf('nobody')).toBeUndefined();
  });
});
