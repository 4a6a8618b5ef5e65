import type { ServerAddress } from '../../lib/endpoint.js';
import { parseJsonObject } from '../../lib/validate.js';

// What the process that runs a trial and those that have its nodes say to each other, as JSON.

/** What a process with nodes is told. */
export type Order =
  | { readonly type: 'begin'; readonly bootstrap: readonly ServerAddress[] }
  | { readonly type: 'join'; readonly id: number; readonly bind: string }
  | { readonly type: 'lie'; readonly id: number; readonly bind: string }
  | { readonly type: 'leave'; readonly peerId: string }
  | { readonly type: 'send'; readonly id: number; readonly from: string; readonly to: string; readonly text: string };

/** What it says. */
export type Report =
  | { readonly type: 'done'; readonly id: number; readonly result: string }
  | { readonly type: 'arrival'; readonly to: string; readonly text: string };

/** Reads an order. It comes from the process that started this one. */
export function readOrder(message: unknown): Order {
  const order = parseJsonObject(String(message)) ?? {};
  const { type, id, bind, peerId, from, to, text, bootstrap } = order;
  if (type === 'begin' && Array.isArray(bootstrap)) {
    const read = bootstrap.map((entry: unknown) => {
      const { host, port } = parseJsonObject(JSON.stringify(entry)) ?? {};
      return { host: expectText(host), port: Number(port) };
    });
    return { type, bootstrap: read };
  }
  if (type === 'join' || type === 'lie') return { type, id: Number(id), bind: expectText(bind) };
  if (type === 'leave') return { type, peerId: expectText(peerId) };
  if (type === 'send')
    return { type, id: Number(id), from: expectText(from), to: expectText(to), text: expectText(text) };
  throw new RangeError('Expected an order');
}

/** Reads a report. */
export function readReport(message: unknown): Report {
  const { type, id, result, to, text } = parseJsonObject(String(message)) ?? {};
  if (type === 'done') return { type, id: Number(id), result: expectText(result) };
  if (type === 'arrival') return { type, to: expectText(to), text: expectText(text) };
  throw new RangeError('Expected a report');
}

function expectText(value: unknown): string {
  if (typeof value !== 'string') throw new RangeError('Expected a text');
  return value;
}
