/** What is measured, of ours and of the alternative, round by round. */
export interface RatioConfig {
  readonly what: string;
  readonly ours: readonly number[];
  /** The figures of the alternative, from the same rounds. */
  readonly other: readonly number[];
  /** How a figure is shown. */
  readonly show: (figure: number) => string;
  /** What the ratio must be on any machine; none when it is only told. */
  readonly target?: { readonly atLeast: number } | { readonly atMost: number } | undefined;
}

/** One row of the table. */
export interface Ratio {
  readonly what: string;
  /** Absolute, of this run and this machine only. */
  readonly ours: string;
  /** Absolute, of this run and this machine only. */
  readonly other: string;
  readonly ratio: string;
  /** The middle half of the rounds' ratios: how noisy it was. */
  readonly spread: string;
  readonly target: string;
  readonly verdict: 'pass' | 'fail' | '';
}

/** Compares round by round, so that what slows the machine down for a while slows both; the median round decides. */
export function ratioOf({ what, ours, other, show, target }: RatioConfig): Ratio {
  const ratios = ours.map((figure, round) => figure / (other[round] ?? Number.NaN));
  const ratio = quantile(ratios, 0.5);
  return {
    what,
    ours: show(quantile(ours, 0.5)),
    other: show(quantile(other, 0.5)),
    ratio: ratio.toFixed(2),
    spread: `${quantile(ratios, 0.25).toFixed(2)}–${quantile(ratios, 0.75).toFixed(2)}`,
    ...judge(ratio, target),
  };
}

/** The value below which this part of the figures lies, between two of them if need be. */
export function quantile(figures: readonly number[], part: number): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * part;
  const [below, above] = [sorted[Math.floor(position)], sorted[Math.ceil(position)]];
  if (below === undefined || above === undefined) throw new RangeError('Expected at least one figure, got none');
  return below + (above - below) * (position - Math.floor(position));
}

function judge(ratio: number, target: RatioConfig['target']): Pick<Ratio, 'target' | 'verdict'> {
  if (target === undefined) return { target: 'told', verdict: '' };
  if ('atLeast' in target) {
    return { target: `≥ ${shown(target.atLeast)}`, verdict: ratio >= target.atLeast ? 'pass' : 'fail' };
  }
  return { target: `≤ ${shown(target.atMost)}`, verdict: ratio <= target.atMost ? 'pass' : 'fail' };
}

/** With as many decimals as it has, and one at least. */
function shown(target: number): string {
  return Number.isInteger(target) ? target.toFixed(1) : String(target);
}
