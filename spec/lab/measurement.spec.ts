import { median, notDirect, parseMatrixResult, summarize, type MatrixResult, type Trial } from './measurement.js';

const won = (technique: string, ms: number, direct = true): Trial => ({ ok: true, technique, direct, ms });
const lost = (reason: string): Trial => ({ ok: false, reason });

describe('A summary of trials', () => {
  it('has the median of what was won', () => {
    const summary = summarize({ trials: [won('direct', 300), lost('timeout'), won('direct', 100)] });
    expect(summary).toEqual({
      succeeded: 2,
      tried: 3,
      techniques: ['direct'],
      direct: true,
      medianMs: 200,
      reasons: ['timeout'],
    });
  });

  it('names the most frequent technique and reason first', () => {
    const trials = [won('relay', 1, false), won('punch', 2), won('punch', 3), lost('x'), lost('y'), lost('y')];
    const { techniques, reasons, direct } = summarize({ trials });
    expect(techniques).toEqual(['punch', 'relay']);
    expect(reasons).toEqual(['y', 'x']);
    expect(direct).withContext('one trial was relayed').toBeFalse();
  });

  it('has no median and is not direct when nothing was won', () => {
    const { medianMs, direct } = summarize({ trials: [lost('timeout')] });
    expect(medianMs).toBeUndefined();
    expect(direct).toBeFalse();
  });
});

describe('median', () => {
  it('sorts by value, not as text', () => {
    expect(median([100, 9, 20])).toBe(20);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeUndefined();
  });
});

describe('The matrix’s JSON', () => {
  const result: MatrixResult = {
    wire: 'tc netem',
    delayMs: 20,
    jitterMs: 0,
    loss: 0,
    bandwidthMbit: null,
    repeat: 1,
    pairs: [
      { pair: ['public', 'random'], roundTripMs: 80, trials: [won('direct', 121.5), lost('timeout')] },
      { pair: ['same-lan'], roundTripMs: 0, trials: [] },
    ],
  };

  it('comes back as it was written', () => {
    expect(parseMatrixResult(JSON.stringify(result))).toEqual(result);
  });

  it('is refused when anything in it is not what it should be', () => {
    const wrong: unknown[] = [
      null,
      [],
      {},
      { ...result, delayMs: '20' },
      { ...result, bandwidthMbit: undefined },
      { ...result, pairs: [{ pair: 'public', roundTripMs: 80, trials: [] }] },
      { ...result, pairs: [{ pair: ['public', 1], roundTripMs: 80, trials: [] }] },
      { ...result, pairs: [{ pair: ['same-lan'], trials: [] }] },
      {
        ...result,
        pairs: [{ pair: ['same-lan'], roundTripMs: 0, trials: [{ ok: true, technique: 'direct', direct: true }] }],
      },
      { ...result, pairs: [{ pair: ['same-lan'], roundTripMs: 0, trials: [{ ok: false }] }] },
    ];
    for (const value of wrong) {
      expect(() => parseMatrixResult(JSON.stringify(value)))
        .withContext(JSON.stringify(value))
        .toThrowError(/Expected the JSON/);
    }
  });
});

describe('What must be direct', () => {
  const trials = (...trial: Trial[]) => trial;
  const result: MatrixResult = {
    wire: 'tc netem',
    delayMs: 20,
    jitterMs: 0,
    loss: 0,
    bandwidthMbit: null,
    repeat: 2,
    pairs: [
      { pair: ['good', 'public'], roundTripMs: 80, trials: trials(won('direct', 1), won('direct', 2)) },
      { pair: ['sometimes', 'public'], roundTripMs: 80, trials: trials(won('direct', 1), lost('timeout')) },
      { pair: ['relayed', 'public'], roundTripMs: 80, trials: trials(won('relay', 1, false), won('relay', 2, false)) },
    ],
  };

  it('is broken when it failed once, was relayed, or was not tried', () => {
    const musts = [
      ['good', 'public'],
      ['sometimes', 'public'],
      ['relayed', 'public'],
      ['public', 'good'],
    ];
    expect(notDirect(result, musts)).toEqual(musts.slice(1));
  });
});
