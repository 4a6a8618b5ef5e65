import { meanOf, say } from './scenarios.js';
import { Network } from './network.js';

/** A room of 100 nodes of which another says something each time. */
export interface Beside {
  /** Copies of a message that a node receives. */
  readonly copies: number;
  /** Hops to the last node. */
  readonly lastHop: number;
  /** Until the last node has it, in milliseconds. */
  readonly lastMs: number;
}

/**
 * What the simulator of iroh-gossip has written of its scenario GossipMulti with 100 nodes and 30 rounds, the means of four seeds: its copies are
 * the redundancy (RMR) and one. Its overlay and broadcast are HyParView and Plumtree as well, with views of the same sizes.
 *
 * Source: https://github.com/n0-computer/iroh-gossip, vis/data/GossipMulti-n100-r30.results.json, commit b6af47a.
 */
export const IROH: Beside = { copies: 1.43, lastHop: 10.6, lastMs: 309 };

/**
 * Copies of a message that a node of Ethereum's network receives by GossipSub, with 8 neighbours in the mesh: one, and three more, as
 * ProbeLab has measured in 2024. Source: https://ethresear.ch/t/number-duplicate-messages-in-ethereums-gossipsub-network/19921.
 */
export const GOSSIPSUB_COPIES = 4;

/** Copies in PyP2P's flooding network of 100 nodes, 10 + 10 slots: `npm run bench -- rooms`. */
export const FLOODING_COPIES = 17;

const [NODES, ROUNDS, SEEDS] = [100, 30, 4];

/** The same scenario in this simulation: all come by the first, 10 to 50 ms lie between two nodes, and each message is of another node. */
export function besideIroh(): Beside {
  const all = Array.from({ length: SEEDS }, (_, seed) => {
    const network = new Network({ seed, accessMs: { least: 5, most: 25 }, byFirst: true });
    for (let i = 0; i < NODES; i++) network.after(i * 100, () => network.join());
    network.run(NODES * 200);
    const spreads = say(network, ROUNDS, () => network.chance.of(network.nodes) ?? network.join());
    if (spreads.some(({ coverage }) => coverage < 1)) throw new Error('Expected every message at every node');
    return {
      copies: meanOf(spreads.map(({ copiesANode }) => copiesANode)),
      lastHop: meanOf(spreads.map(({ lastHop }) => lastHop)),
      lastMs: meanOf(spreads.map(({ lastMs }) => lastMs)),
    };
  });
  return {
    copies: meanOf(all.map(({ copies }) => copies)),
    lastHop: meanOf(all.map(({ lastHop }) => lastHop)),
    lastMs: meanOf(all.map(({ lastMs }) => lastMs)),
  };
}
