/** Whether two values are the same to whoever gets them as JSON; for `distinctUntilChanged()` over plain objects that are made anew each time. */
export function isSameJson<T>(one: T, other: T): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
