// A process with some of the nodes of a trial. It does as it is told, and ends with the process that started it.
import { readOrder, type Order, type Report } from './orders.js';
import { Swarm } from './swarm.js';

const say = (report: Report) => process.send?.(JSON.stringify(report));
let swarm: Swarm | undefined;

process.on('message', (message) => {
  void obey(readOrder(message));
});
process.once('disconnect', () => process.exit());

async function obey(order: Order): Promise<void> {
  if (order.type === 'begin') {
    swarm = new Swarm(order.bootstrap, (arrival) => say({ type: 'arrival', ...arrival }));
    return;
  }
  if (swarm === undefined) throw new RangeError('Expected to be told where to begin');
  if (order.type === 'leave') {
    swarm.leave(order.peerId);
    return;
  }
  const { id } = order;
  let result = '';
  if (order.type === 'join') result = await swarm.join(order.bind);
  else if (order.type === 'lie') await swarm.lie(order.bind);
  else result = await swarm.send(order.from, order.to, order.text);
  say({ type: 'done', id, result });
}
