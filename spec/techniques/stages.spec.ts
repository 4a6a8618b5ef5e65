import { InvalidOptionError } from '../../lib/errors.js';
import { stagesOf, TECHNIQUE_NAMES } from '../../lib/techniques/stages.js';

describe('the techniques to try', () => {
  const namesOf = (names: readonly string[] | undefined) =>
    stagesOf(names).flatMap((stage) => stage.map(({ name }) => name));

  it('are all of them when none is named', () => {
    expect(namesOf(undefined).toSorted()).toEqual(TECHNIQUE_NAMES.toSorted());
  });

  it('are the ones that are named, each a stage of its own', () => {
    const wanted = TECHNIQUE_NAMES.toReversed();
    expect(namesOf(wanted)).toEqual(wanted);
    expect(stagesOf(wanted)).toHaveSize(wanted.length);
    expect(namesOf([])).toEqual([]);
  });

  it('cannot be ones that do not exist', () => {
    expect(() => stagesOf(['direkt'])).toThrowError(
      InvalidOptionError,
      /Expected `techniques` to be one of direct.*got `direkt`/,
    );
  });
});
