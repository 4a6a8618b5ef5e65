import { InvalidOptionError } from '../../lib/errors.js';
import { stagesOf, TECHNIQUE_NAMES } from '../../lib/techniques/stages.js';
import type { NodeType } from '../../lib/unl/types.js';
import { unlOf } from '../support/locators.js';

describe('the techniques to try', () => {
  const namesOf = (names: readonly string[] | undefined) =>
    stagesOf(names)(unlOf()).flatMap((stage) => stage.map(({ name }) => name));

  it('are all of them when none is named', () => {
    expect(namesOf(undefined).toSorted()).toEqual(TECHNIQUE_NAMES.toSorted());
  });

  it('are the ones that are named, each a stage of its own', () => {
    const wanted = TECHNIQUE_NAMES.toReversed();
    expect(namesOf(wanted)).toEqual(wanted);
    expect(stagesOf(wanted)(unlOf())).toHaveSize(wanted.length);
    expect(namesOf([])).toEqual([]);
  });

  it('dial a peer that can be dialled first, and lose no time with any other', () => {
    const sizesWith = (nodeType: NodeType) => stagesOf(undefined)(unlOf({ nodeType })).map((stage) => stage.length);
    expect(sizesWith('passive')).toEqual([1, 1]);
    expect(sizesWith('simultaneous')).toEqual([2]);
    expect(sizesWith('active')).toEqual([2]);
  });

  it('cannot be ones that do not exist', () => {
    expect(() => stagesOf(['direkt'])).toThrowError(
      InvalidOptionError,
      /Expected `techniques` to be one of direct.*got `direkt`/,
    );
  });
});
