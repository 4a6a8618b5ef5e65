import {
  firstLines,
  median,
  moves,
  notConnected,
  notDirect,
  parseMatrixResult,
  summarize,
  type MatrixResult,
  type Trial,
} from './measurement.js';

const won = (technique: string, ms: number, direct = true): Trial => {
  const way = { technique, direct };
  return { ok: true, first: way, ms, last: way, movedMs: null };
};
const moved = (technique: string, ms: number, movedMs: number): Trial => ({
  ok: true,
  first: { technique: 'relay', direct: false },
  ms,
  last: { technique, direct: true },
  movedMs,
});
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
      medianMovedMs: undefined,
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

  it('is of the way in the end, and has the median of when the lines moved there', () => {
    const { techniques, direct, medianMs, medianMovedMs } = summarize({
      trials: [moved('punch', 300, 500), moved('punch', 310, 700), won('punch', 320)],
    });
    expect(techniques).toEqual(['punch']);
    expect(direct).toBeTrue();
    expect(medianMs).toBe(310);
    expect(medianMovedMs).toBe(600);
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
      {
        pair: ['public', 'random'],
        roundTripMs: 80,
        trials: [won('direct', 121.5), moved('punch', 250, 480), lost('timeout')],
      },
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
      ...[
        { ok: false },
        { ...moved('punch', 1, 2), first: { technique: 'relay' } },
        { ...moved('punch', 1, 2), last: undefined },
        { ...moved('punch', 1, 2), ms: '1' },
        { ...moved('punch', 1, 2), movedMs: undefined },
      ].map((trial) => ({ ...result, pairs: [{ pair: ['same-lan'], roundTripMs: 0, trials: [trial] }] })),
    ];
    for (const value of wrong) {
      expect(() => parseMatrixResult(JSON.stringify(value)))
        .withContext(JSON.stringify(value))
        .toThrowError(/Expected the JSON/);
    }
  });
});

const resultOf = (...pairs: MatrixResult['pairs']): MatrixResult => ({
  wire: 'tc netem',
  delayMs: 20,
  jitterMs: 0,
  loss: 0,
  bandwidthMbit: null,
  repeat: 2,
  pairs,
});

const pairOf = (dialer: string, trials: readonly Trial[], roundTripMs = 80) => ({
  pair: [dialer, 'public'],
  roundTripMs,
  trials,
});

describe('What must be direct', () => {
  const result = resultOf(
    pairOf('good', [won('direct', 1), moved('punch', 2, 3)]),
    pairOf('sometimes', [won('direct', 1), lost('timeout')]),
    pairOf('relayed', [won('relay', 1, false), won('relay', 2, false)]),
  );

  it('is broken when it failed once, was relayed in the end, or was not tried', () => {
    const musts = [
      ['good', 'public'],
      ['sometimes', 'public'],
      ['relayed', 'public'],
      ['public', 'good'],
    ];
    expect(notDirect(result, musts)).toEqual(musts.slice(1));
  });

  it('is more than to be connected', () => {
    expect(notConnected(result)).toEqual([['sometimes', 'public']]);
    expect(notConnected(resultOf(pairOf('untried', [])))).toEqual([['untried', 'public']]);
  });
});

describe('The first lines', () => {
  it('are measured in round trips: dialled ones, all others, and each other technique', () => {
    const result = resultOf(
      pairOf('a', [won('direct', 240), won('direct', 80), lost('timeout')]),
      pairOf('b', [moved('punch', 320, 500), won('punch', 480)], 160),
      pairOf('no round trip', [won('direct', 3)], 0),
    );
    expect(firstLines(result)).toEqual([
      { technique: 'direct', count: 2, medianRoundTrips: 2, slowRoundTrips: 3 },
      { technique: undefined, count: 2, medianRoundTrips: 2.5, slowRoundTrips: 3 },
      { technique: 'relay', count: 1, medianRoundTrips: 2, slowRoundTrips: 2 },
      { technique: 'punch', count: 1, medianRoundTrips: 3, slowRoundTrips: 3 },
    ]);
  });

  it('are none where nothing connected', () => {
    expect(firstLines(resultOf(pairOf('a', [lost('timeout')])))).toEqual([]);
  });
});

describe('The moves', () => {
  it('are of connections that began by a relay, in time or late', () => {
    const trials = [moved('punch', 300, 500), moved('punch', 300, 2001), won('relay', 300, false), won('direct', 1)];
    expect(moves(resultOf(pairOf('a', trials)))).toEqual({ relayed: 3, moved: 2, soon: 1, medianMs: 1250.5 });
  });
});
