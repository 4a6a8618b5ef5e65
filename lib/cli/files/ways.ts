import { noop, type Subscription } from 'rxjs';
import type { Connection } from '../../connection/connection.js';
import type { Net } from '../../net/interface.js';
import type { Display } from './display.js';

const DOING: Readonly<Record<string, string>> = {
  direct: 'dialling the peer',
  'simultaneous-open': 'punching a hole through the routers',
  'reverse-connect': 'asking the peer to dial back',
  relay: 'meeting the peer at a relay',
  turn: 'meeting the peer at a TURN server',
};

/** What a technique does, for people. */
export function doingOf(technique: string): string {
  return DOING[technique] ?? `trying ${technique}`;
}

/** Shows what a node does to reach its peer. */
export function showAttempts(net: Pick<Net, 'trace$'>, display: Display): Subscription {
  return net.trace$.subscribe({
    next: (step) => {
      if (step.type === 'technique' && step.outcome === 'started') display.phase(doingOf(step.technique));
    },
    error: noop,
  });
}

/** Shows which way the bytes of a connection take. */
export function showWay({ path$ }: Pick<Connection, 'path$'>, display: Display): Subscription {
  return path$.subscribe({
    next: ({ direct }) => {
      display.way(direct ? 'direct' : 'relayed for now');
    },
    error: noop,
  });
}
