// `node key-process.js`: for each path that it reads, prints the peer id of the key there, which is made if need be; or why not.
import { createInterface } from 'node:readline';
import { loadOrCreateIdentity } from '../../lib/identity.js';

console.log('ready');
createInterface({ input: process.stdin }).on('line', (path) => {
  try {
    console.log(loadOrCreateIdentity(path).peerId);
  } catch (error) {
    console.log(String(error));
  }
});
