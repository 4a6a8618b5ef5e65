import { waysOf, type Standing } from '../../../lib/net/check/ways.js';

/** A node with signals and a relay, that nobody can dial. */
const standing: Standing = {
  canBeDialled: false,
  natType: { type: 'preserving' },
  hasSignals: true,
  isShown: true,
  hasRelay: true,
  triesMany: true,
};

describe('how a node and peers of each kind get to each other', () => {
  /** To reach each kind, and to be reached by each. */
  const meansOf = (given: Partial<Standing>) => {
    const ways = waysOf({ ...standing, ...given });
    expect(ways.map(({ peer }) => peer)).toEqual(['reachable', 'predictable', 'counting', 'random']);
    return [ways.map(({ toReach }) => toReach), ways.map(({ toBeReached }) => toBeReached)];
  };

  for (const [what, given, toReach, toBeReached] of [
    [
      'that can be dialled',
      { canBeDialled: true },
      ['dial', 'dial-back', 'dial-back', 'dial-back'],
      ['dial', 'dial', 'dial', 'dial'],
    ],
    [
      'that can be dialled, without signals',
      { canBeDialled: true, hasSignals: false },
      ['dial', 'none', 'none', 'none'],
      ['dial', 'dial', 'dial', 'dial'],
    ],
    [
      'behind a NAT that keeps ports',
      {},
      ['dial', 'punch', 'punch', 'punch-many'],
      ['dial-back', 'punch', 'punch', 'punch-many'],
    ],
    [
      'behind a NAT that counts its ports up',
      { natType: { type: 'delta', delta: 3 } },
      ['dial', 'punch', 'punch', 'relay'],
      ['dial-back', 'punch', 'punch', 'relay'],
    ],
    [
      'behind a NAT with random ports',
      { natType: { type: 'random' } },
      ['dial', 'punch-many', 'relay', 'relay'],
      ['dial-back', 'punch-many', 'relay', 'relay'],
    ],
    [
      'that tries few ports',
      { natType: { type: 'random' }, triesMany: false },
      ['dial', 'relay', 'relay', 'relay'],
      ['dial-back', 'relay', 'relay', 'relay'],
    ],
    [
      'whose NAT nobody has shown',
      { natType: undefined },
      ['dial', 'relay', 'relay', 'relay'],
      ['dial-back', 'relay', 'relay', 'relay'],
    ],
    [
      'whose NAT is not known, without a relay',
      { natType: { type: 'unknown' }, hasRelay: false },
      ['dial', 'none', 'none', 'none'],
      ['dial-back', 'none', 'none', 'none'],
    ],
    [
      'that nobody shows to peers, as with brokers alone',
      { isShown: false },
      ['dial', 'relay', 'relay', 'relay'],
      ['relay', 'relay', 'relay', 'relay'],
    ],
    ['without signals', { hasSignals: false }, ['dial', 'none', 'none', 'none'], ['none', 'none', 'none', 'none']],
  ] as const)
    it(`is told for one ${what}`, () => {
      expect(meansOf(given)).toEqual([[...toReach], [...toBeReached]]);
    });
});
