import { EMPTY, filter, map } from 'rxjs';
import { observersOf } from '../../self/findings.js';
import type { TechniqueHost } from '../host.js';
import type { NodeTechnique } from '../technique.js';
import { punchContextOf } from './node.js';
import type { PunchContext } from './context.js';
import { dialByPunch } from './dial.js';
import { answerPunches$ } from './answer.js';
import { PUNCH } from './traits.js';

/** TCP simultaneous open, which needs servers that see this node's NAT, and a key to sign signals with. */
export function punch(host: TechniqueHost): NodeTechnique {
  const { config, signalling } = host;
  const context = config.provesKeys && canPunch(host) ? punchContextFor(host) : undefined;
  return {
    ...PUNCH,
    dial: dialByPunch(context),
    looksAtNat: context !== undefined,
    answer$: context === undefined ? EMPTY : answerPunches$(signalling, context),
  };
}

/** Whether there are servers to see this node's NAT. */
export function canPunch({ config }: Pick<TechniqueHost, 'config'>): boolean {
  return observersOf(config).length > 0;
}

/** What a node gives to its punches, and to PyP2P's challenges. */
export function punchContextFor(host: TechniqueHost): PunchContext {
  return punchContextOf({
    ...host,
    nats$: host.findings$.pipe(
      map(({ nats }) => nats),
      filter((nats) => nats !== undefined),
    ),
    tell: (step) => {
      host.trace({ type: 'punch', ...step });
    },
  });
}
