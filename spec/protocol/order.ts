import { InOrder } from '../../lib/signalling/in-order.js';
import { VirtualClock } from '../connection/virtual-links.js';
import { fieldsOf, numberOf, textOf } from './vectors.js';

/** When signals are passed on that arrive at given times, all of one sender. */
export function passedInOrder(arrivals: readonly unknown[]): unknown {
  const clock = new VirtualClock();
  const inOrder = new InOrder(clock);
  const passed: { readonly atMs: number; readonly id: string }[] = [];
  for (const arrival of arrivals) {
    const { atMs, id, order } = fieldsOf(arrival);
    clock.pass(numberOf(atMs) - clock.now());
    inOrder.turn$('sender', order === undefined ? undefined : orderOf(order)).subscribe(() => {
      passed.push({ atMs: clock.now(), id: textOf(id) });
    });
  }
  clock.pass(60_000);
  return passed;
}

function orderOf(json: unknown) {
  const { stream, sequence, after } = fieldsOf(json);
  return {
    stream: textOf(stream),
    sequence: numberOf(sequence),
    after: after === undefined ? undefined : numberOf(after),
  };
}
