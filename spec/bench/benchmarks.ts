import type { Benchmark } from './benchmark.js';
import { connect } from './connect.js';
import { lines } from './lines.js';
import { load } from './load.js';
import { mailbox } from './mailbox.js';
import { memory } from './memory.js';
import { relay } from './relay.js';
import { rendezvous } from './rendezvous.js';

/** All benchmarks, in the order in which they run. */
export const benchmarks: readonly Benchmark[] = [load, lines, connect, memory, rendezvous, mailbox, relay];
