import { challenge } from '../pyp2p/challenge-node.js';
import { reverseQuery } from '../pyp2p/reverse-query-node.js';
import { direct } from '../techniques/direct.js';
import type { TechniqueHost } from '../techniques/host.js';
import { punch } from '../techniques/punch/punch.js';
import { relay } from '../techniques/relay/relay.js';
import { reverseConnect } from '../techniques/reverse-connect/reverse-connect.js';
import type { NodeTechnique } from '../techniques/technique.js';
import { turn } from '../techniques/turn/turn.js';

/** The techniques of a node, best first. A new one is one more line here. */
export function techniquesOf(host: TechniqueHost): readonly NodeTechnique[] {
  return [direct, punch(host), reverseConnect(host), reverseQuery(host), challenge(host), relay(host), turn(host)];
}
