/** What programs under test say, one JSON object a line. */
import { filter, firstValueFrom, map, merge, type Observable } from 'rxjs';
import type { Line, Program } from './processes.js';

export type Fields = Readonly<Record<string, unknown>>;

export const fieldsOf = (line$: Observable<Line>): Observable<Fields> =>
  line$.pipe(
    filter(({ text }) => text.startsWith('{')),
    map(({ text }) => {
      const fields: unknown = JSON.parse(text);
      return { ...(typeof fields === 'object' && fields) };
    }),
  );

/** The first that is as wanted. */
export const said = (line$: Observable<Line>, isWanted: (fields: Fields) => boolean): Promise<Fields> =>
  firstValueFrom(fieldsOf(line$).pipe(filter(isWanted)));

/** What a program has said last, on both of its outputs, and how many seconds after its first word, for whoever looks for a fault. */
export const lastWords = ({ stdout$, stderr$ }: Program): string => {
  const said: Line[] = [];
  // All that it has said so far comes at once.
  merge(stdout$, stderr$)
    .subscribe((line) => said.push(line))
    .unsubscribe();
  const lines = said.toSorted((one, other) => one.at - other.at);
  const seconds = ({ at }: Line) => ((at - (lines[0]?.at ?? at)) / 1000).toFixed(2).padStart(6);
  const told = lines.slice(-LAST_WORDS).map((line) => `${seconds(line)} s  ${line.text}`);
  return told.join('\n  ');
};

const LAST_WORDS = 100;
