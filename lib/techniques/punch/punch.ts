import { EMPTY, filter, map } from 'rxjs';
import { observersOf } from '../../self/findings.js';
import type { TechniqueHost } from '../host.js';
import type { NodeTechnique } from '../technique.js';
import { punchingOf } from './node.js';
import type { Punching } from './punching.js';
import { dialByPunch } from './dial.js';
import { answerPunches$ } from './answer.js';
import { PUNCH } from './traits.js';

/** TCP simultaneous open, which needs servers that see this node's NAT, and a key to sign signals with. */
export function punch(host: TechniqueHost): NodeTechnique {
  const { config, signalling } = host;
  const punching = config.provesKeys && canPunch(host) ? punchingFor(host) : undefined;
  return {
    ...PUNCH,
    dial: dialByPunch(punching),
    looksAtNat: punching !== undefined,
    answer$: punching === undefined ? EMPTY : answerPunches$(signalling, punching),
  };
}

/** Whether there are servers to see this node's NAT. */
export function canPunch({ config }: Pick<TechniqueHost, 'config'>): boolean {
  return observersOf(config).length > 0;
}

/** What a node gives to its punches, and to PyP2P's challenges. */
export function punchingFor(host: TechniqueHost): Punching {
  return punchingOf({
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
