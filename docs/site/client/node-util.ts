// What the library needs of Node's `util` in a page: values in messages are shown as JSON has them.

export function inspect(value: unknown): string {
  return value === undefined ? 'undefined' : JSON.stringify(value);
}
