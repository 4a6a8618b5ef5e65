// `node mailbox-process.js DIR PORT KEEP_MS [AHEAD_MS]`: the servers of `rxp2p serve`, with room for a spec to crash them at its leisure.
// Prints the HTTP port once all of them listen, then whether its disk can be written to, whenever that changes.
// Reads `exhaust`: opens files until this process may open no more; and `release`: closes them.
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { map, merge, of, skip, switchMap } from 'rxjs';

const [dataFolder, port, keepMs, aheadMs = '0'] = process.argv.slice(2);

// The clock of this process, from before anything looks at it.
const timeOfDay = Date.now.bind(Date);
Date.now = () => timeOfDay() + Number(aheadMs);
const { serve$ } = await import('../../servers/serve.js');

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
})
  .pipe(
    switchMap(({ endpoints, storage$ }) => {
      const port = endpoints.find(({ name }) => name === 'http')?.local.port;
      const changes$ = storage$.pipe(
        skip(1),
        map((state) => (state.isWritable ? 'writable' : `not writable: ${state.reason}`)),
      );
      return merge(of(String(port)), changes$);
    }),
  )
  .subscribe((line) => {
    console.log(line);
  });

const opened: number[] = [];
createInterface({ input: process.stdin }).on('line', (command) => {
  try {
    while (command === 'exhaust') opened.push(openSync('/dev/null', 'r'));
  } catch {
    // There are no more.
  }
  if (command === 'release') for (const file of opened.splice(0)) closeSync(file);
  console.log(command);
});
