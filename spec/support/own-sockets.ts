import cluster from 'node:cluster';

// Jasmine's parallel workers are the workers of a Node cluster, whose servers share their ports: `listen(0)` would give the same port
// to several of them, and a connection to any. A spec has its sockets for itself, so each worker takes itself for a primary process.
Object.assign(cluster, { isPrimary: true, isWorker: false });

// A worker would stay behind for a socket that a spec has left open; and when the run is stopped, for as long as its specs last.
process.once('disconnect', () => process.exit());
