import { EMPTY, type Observable } from 'rxjs';
import type { Remote } from '../../lib/index.js';

/** Whether each of two types can stand for the other. */
type Same<A, B> = [A, B] extends [B, A] ? true : false;

interface Methods {
  optional(a: string, b?: number): Observable<number>;
  rest(first: string, ...more: readonly number[]): Observable<number>;
  overloaded(a: string): Observable<string>;
  overloaded(a: number): Observable<number>;
  generic<T>(value: T): Observable<T>;
  nothing(): Observable<void>;
  union(): Promise<'a' | { b: number } | undefined>;
  either(flag: boolean): Promise<string> | Observable<number>;
  flags(): Observable<boolean>;
  never(): Observable<never>;
  pages(): AsyncGenerator<Uint8Array>;
  list(): readonly string[];
  maybe?(a: number): Observable<string>;
  text(): string;
  textOrPromise(): string | Promise<string>;
  count(): number;
  then(): Observable<string>;
  readonly property: Observable<string>;
}

describe('The type of a remote object', () => {
  type R = Remote<Methods>;

  it('has the arguments of each method, and an Observable of its values', () => {
    const same: readonly [
      Same<R['optional'], (a: string, b?: number) => Observable<number>>,
      Same<R['rest'], (first: string, ...more: readonly number[]) => Observable<number>>,
      Same<R['nothing'], () => Observable<void>>,
      Same<R['union'], () => Observable<'a' | { b: number } | undefined>>,
      Same<R['either'], (flag: boolean) => Observable<string | number>>,
      Same<R['flags'], () => Observable<boolean>>,
      Same<R['never'], () => Observable<never>>,
      Same<R['pages'], () => Observable<Uint8Array>>,
      Same<R['list'], () => Observable<string>>,
      Same<R['maybe'], (a: number) => Observable<string>>,
    ] = [true, true, true, true, true, true, true, true, true, true];
    expect(same.every(Boolean)).toBeTrue();
  });

  it('has the last overload, and knows nothing of what a generic method is called with', () => {
    const same: readonly [
      Same<R['overloaded'], (a: number) => Observable<number>>,
      Same<R['generic'], (value: unknown) => Observable<unknown>>,
    ] = [true, true];
    expect(same.every(Boolean)).toBeTrue();
  });

  it('has nothing that cannot be called from elsewhere', () => {
    type Callable = 'either' | 'flags' | 'generic' | 'list' | 'maybe' | 'never' | 'nothing' | 'optional' | 'overloaded';
    const same: Same<keyof R, Callable | 'pages' | 'rest' | 'union'> = true;
    expect(same).toBeTrue();
  });

  it('refuses other arguments', () => {
    const remote: Pick<R, 'optional' | 'rest' | 'overloaded'> = {
      optional: () => EMPTY,
      rest: () => EMPTY,
      overloaded: () => EMPTY,
    };
    // @ts-expect-error The first argument is a text.
    expect(remote.optional(1)).toBeDefined();
    // @ts-expect-error There are at most two.
    expect(remote.optional('a', 1, 2)).toBeDefined();
    // @ts-expect-error The further ones are numbers.
    expect(remote.rest('a', 'b')).toBeDefined();
    // @ts-expect-error Only the last overload is known.
    expect(remote.overloaded('a')).toBeDefined();
  });
});
