import type { Benchmark } from './benchmark.js';
import { calls } from './calls.js';
import { chunks } from './chunks.js';
import { close } from './close.js';
import { cluster } from './cluster.js';
import { connect } from './connect.js';
import { files } from './files.js';
import { forward } from './forward.js';
import { lines } from './lines.js';
import { load } from './load.js';
import { mailbox } from './mailbox.js';
import { memory } from './memory.js';
import { messages } from './messages.js';
import { openings } from './openings.js';
import { relay } from './relay.js';
import { rendezvous } from './rendezvous.js';
import { rooms } from './rooms.js';
import { roomsChurn } from './rooms-churn.js';
import { roomsHostile } from './rooms-hostile.js';
import { roomsJoin } from './rooms-join.js';
import { servers } from './servers.js';
import { values } from './values.js';

/** All benchmarks, in the order in which they run. */
export const benchmarks: readonly Benchmark[] = [
  load,
  lines,
  messages,
  chunks,
  files,
  openings,
  forward,
  values,
  calls,
  connect,
  close,
  memory,
  rendezvous,
  servers,
  cluster,
  mailbox,
  relay,
  rooms,
  roomsJoin,
  roomsChurn,
  roomsHostile,
];

/** What runs under one name besides the benchmark of that name: all that a server of ours does, beside other servers. */
export const together: Readonly<Record<string, readonly Benchmark[]>> = { servers: [servers, mailbox, relay] };
