/** What a function throws; fails the spec when it throws nothing. */
export function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  fail('Expected something to be thrown');
  return undefined;
}

/** Calls a function as a program in JavaScript might: with anything at all. */
export function callWith(target: (...args: never[]) => unknown, ...args: readonly unknown[]): unknown {
  const result: unknown = Reflect.apply(target, undefined, args);
  return result;
}
