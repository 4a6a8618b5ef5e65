import { InvalidOptionError } from '../../lib/errors.js';
import { stagesOf, TECHNIQUE_NAMES } from '../../lib/techniques/stages.js';
import type { NodeType, Unl } from '../../lib/unl/types.js';
import { unlOf, unlOfVersion2 } from '../support/locators.js';

describe('the techniques to try', () => {
  const own = unlOf({ nodeType: 'passive' });
  const namesOf = (techniques: readonly string[] | undefined, peer: Unl = unlOf()) =>
    stagesOf({ techniques })(own, peer).flatMap((stage) => stage.techniques.map(({ name }) => name));

  it('are all of them when none is named, but for those of PyP2P’s nodes, which are for these only', () => {
    const forPyp2p = (nodeType: NodeType) => namesOf(undefined, unlOfVersion2({ nodeType }));
    // A relay is gone by when it is named.
    const all = new Set([...namesOf(undefined), ...forPyp2p('simultaneous'), 'relay']);
    expect(all).toEqual(new Set(TECHNIQUE_NAMES));
    expect(namesOf(undefined)).toEqual(['direct', 'simultaneous-open', 'reverse-connect', 'relay']);
    expect(forPyp2p('simultaneous')).toEqual(['direct', 'reverse-query', 'challenge']);
    expect(forPyp2p('passive')).toEqual(['direct']);
    expect(forPyp2p('active')).toEqual(['direct', 'reverse-query']);
  });

  it('are the ones that are named, each a stage of its own', () => {
    const wanted = TECHNIQUE_NAMES.toReversed();
    expect(namesOf(wanted)).toEqual(wanted);
    expect(stagesOf({ techniques: wanted })(own, unlOf())).toHaveSize(wanted.length);
    expect(namesOf([])).toEqual([]);
  });

  it('dial a peer that can be dialled first, and lose no time with any other', () => {
    const sizesWith = (nodeType: NodeType) =>
      stagesOf()(own, unlOf({ nodeType })).map(({ techniques }) => techniques.length);
    expect(sizesWith('passive')).toEqual([1, 2, 1]);
    expect(sizesWith('simultaneous')).toEqual([3, 1]);
    expect(sizesWith('active')).toEqual([3, 1]);
  });

  it('cannot be ones that do not exist', () => {
    expect(() => stagesOf({ techniques: ['direkt'] })).toThrowError(
      InvalidOptionError,
      /Expected `techniques` to be one of direct.*got `direkt`/,
    );
  });
});
