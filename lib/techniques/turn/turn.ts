import { EMPTY, of } from 'rxjs';
import { endpointsOf } from '../../link/tcp.js';
import { guestsOf } from '../../peers/guests.js';
import type { TechniqueHost } from '../host.js';
import { hasTurn } from '../../unl/turn.js';
import { relayedLinks } from '../relayed-links.js';
import type { NodeTechnique } from '../technique.js';
import { allocate$ } from './allocation.js';
import { answerTurns$ } from './answer.js';
import { checkTurns$ } from './check.js';
import type { TurnContext } from './context.js';
import { dialByTurn } from './dial.js';
import { TURN } from './traits.js';

/** Meetings at a TURN server that one of both nodes may use. */
export function turn(host: TechniqueHost): NodeTechnique {
  const { config, signalling } = host;
  // Without keys the two ends could not authenticate each other behind a server.
  const context = config.relay !== false && config.provesKeys ? turnContextOf(host) : undefined;
  return {
    ...TURN,
    // Where neither has a server, it is not even tried.
    serves: (peer) => peer.version === 3 && (config.turn.length > 0 || hasTurn(peer)),
    dial: dialByTurn(context),
    answer$: context === undefined ? EMPTY : answerTurns$(signalling, context),
    check$: context && checkTurns$(context),
  };
}

function turnContextOf(host: TechniqueHost): TurnContext {
  const { config, runtime, own, sightings } = host;
  const { bind: localAddress, stun, timing, turn: servers } = config;
  const { secure$, receive$ } = relayedLinks(TURN.name, host);
  return {
    servers,
    allocate$: (server, family) => allocate$(server, { localAddress, family, timeoutMs: timing.dialMs, runtime }),
    dial$: ({ address, port }) => runtime.dial$({ host: address, port, localAddress }),
    secure$: (socket, role, peerId) => secure$(socket, of(endpointsOf(socket)), role, peerId),
    receive$,
    ...guestsOf(host),
    own,
    saw: (peerId, address) => {
      sightings.note(peerId, address);
    },
    knows: (address) => [...stun, ...servers].some(({ host }) => host === address),
    scheduler: runtime.scheduler,
  };
}
