import { slotFor, type Occupant } from '../../lib/peers/slots.js';

describe('An inbound slot', () => {
  const at = (address: string, { hasSent = false } = {}): Occupant => ({ peerEndpoint: { address, port: 1 }, hasSent });

  it('is free for anybody while not all are taken', () => {
    expect(slotFor([at('192.0.2.1')], 2, '192.0.2.1')).toEqual({ isFree: true });
  });

  it('is freed by the newest connection of the largest site', () => {
    const taken = [at('192.0.2.1'), at('192.0.2.2'), at('192.0.2.1'), at('192.0.2.1'), at('192.0.2.2')];
    const { isFree, gaveWay } = slotFor(taken, 5, '192.0.2.3');
    expect(isFree).toBeTrue();
    expect(gaveWay).toBe(taken[3]);
  });

  it('is shared by the whole of an IPv6 /48', () => {
    const taken = [at('192.0.2.1'), at('2001:db8:1:1::1'), at('2001:db8:1:2::1')];
    expect(slotFor(taken, 3, '192.0.2.2').gaveWay).toBe(taken[2]);
    expect(slotFor(taken, 3, '2001:db8:1:3::1')).toEqual({ isFree: false, gaveWay: undefined });
  });

  it('is not freed by a connection that the application has used, but by one of the next site', () => {
    const sent = { hasSent: true };
    const [one, other] = ['192.0.2.1', '192.0.2.2'];
    const taken = [at(one, sent), at(one, sent), at(one, sent), at(other), at(other), at(other, sent)];
    expect(slotFor(taken, 6, '192.0.2.3').gaveWay).toBe(taken[4]);
    expect(slotFor(taken.slice(0, 3), 3, '192.0.2.3').isFree).toBeFalse();
  });

  it('is not freed for a site that would then have as many as the largest', () => {
    const taken = [at('192.0.2.1'), at('192.0.2.1'), at('192.0.2.2')];
    expect(slotFor(taken, 3, '192.0.2.2').isFree).toBeFalse();
    expect(slotFor(taken, 3, '192.0.2.3').isFree).toBeTrue();
  });

  it('is never free when there are none', () => {
    expect(slotFor([], 0, undefined).isFree).toBeFalse();
  });
});
