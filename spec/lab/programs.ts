/** What programs under test say, one JSON object a line. */
import { filter, firstValueFrom, map, type Observable } from 'rxjs';
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

/** What a program has said last, on both of its outputs, for the message of a failure. */
export const lastWords = ({ stdout$, stderr$ }: Program): string =>
  [stdout$, stderr$]
    .flatMap((line$) => {
      const lines: string[] = [];
      // All that it has said so far comes at once.
      line$.subscribe(({ text }) => lines.push(text)).unsubscribe();
      return lines.slice(-LAST_WORDS);
    })
    .join('\n  ');

const LAST_WORDS = 12;
