import { adviceFor } from './advice.js';
import { isCarrier } from '../../server-report.js';
import type { NetCheck } from './interface.js';
import { waysOf } from './ways.js';

/** What a node knows, of which a check is made. */
export interface Facts extends Pick<NetCheck, Exclude<keyof NetCheck, 'ways' | 'advice' | 'verdict'>> {
  /** Whether others can dial this node. */
  readonly canBeDialled: boolean;
  /** Whether it has an address that others may be able to dial, but no server has seen or dialled it there. */
  readonly isUntried: boolean;
  /** Whether it has a TURN server of its own, which shows it who comes there. */
  readonly hasTurn: boolean;
  /** Whether it tries hundreds of ports. */
  readonly triesMany: boolean;
}

/** What facts mean. Pure. */
export function checkOf({ canBeDialled, isUntried, hasTurn, triesMany, ...facts }: Facts): NetCheck {
  const { services, nats, hasRelay } = facts;
  const carriers = services.filter(isCarrier);
  const ways = waysOf({
    canBeDialled,
    // Peers have IPv4 more often.
    natType: (nats.find(({ family }) => family === 4) ?? nats[0])?.natType,
    hasSignals: carriers.some(({ failure }) => failure === undefined),
    // A broker sees its clients, but tells nobody where.
    isShown: hasTurn || carriers.some(({ kind, failure }) => kind !== 'MQTT' && failure === undefined),
    hasRelay,
    triesMany,
  });
  const means = ways.find(({ peer }) => peer === 'predictable')?.toBeReached;
  const unreached = isUntried ? 'unknown' : 'none';
  const verdict = means === undefined || means === 'none' ? unreached : means === 'relay' ? 'relay' : 'direct';
  return { ...facts, ways, advice: adviceFor({ ...facts, ways }), verdict };
}
