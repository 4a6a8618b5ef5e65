// `node mailbox-process.js DIR PORT KEEP_MS`: the servers of `rxp2p serve`, with room for a spec to crash them at its leisure.
// Prints the HTTP port once all of them listen.
import { serve$ } from '../../servers/serve.js';

const [dataFolder, port, keepMs] = process.argv.slice(2);
const many = 1_000_000;

serve$({
  bind: '127.0.0.1',
  port: 0,
  httpPort: Number(port),
  dataFolder,
  mailboxLimits: {
    keepMs: Number(keepMs),
    sweepMs: 500,
    messages: many,
    messagesPerHost: many,
    messagesPerSender: many,
    messagesPerRecipient: many,
    bytes: many * 1024,
    bytesPerHost: many * 1024,
    bytesPerSender: many * 1024,
    bytesPerRecipient: many * 1024,
    putBurst: many,
    requestBurst: many,
  },
}).subscribe(({ endpoints }) => {
  console.log(endpoints.find(({ name }) => name === 'http')?.local.port);
});
