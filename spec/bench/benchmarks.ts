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

/** Benchmarks that run together by one name: what carries something over one connection, and what that costs; and what a server does. */
export const groups = {
  connections: [load, lines, messages, chunks, openings, values, calls, connect, close, memory],
  servers: [servers, mailbox, relay],
} satisfies Readonly<Record<string, readonly Benchmark[]>>;

/** All benchmarks, in the order in which they run. */
export const benchmarks: readonly Benchmark[] = [
  ...groups.connections,
  files,
  forward,
  ...groups.servers,
  rendezvous,
  cluster,
  rooms,
  roomsJoin,
  roomsChurn,
  roomsHostile,
];
