/**
 * The self-check's hands in a namespace. It reads requests on stdin, one a line, `ID VERB ARGUMENT…`, and answers each with
 * `ID WORD…` on stdout. Whom it accepts it tells how they look from here: `ADDRESS PORT`; every connection stays open.
 *
 *   listen PORT                                    ok
 *   connect LOCAL-PORT HOST PORT TIMEOUT-MS        open SEEN-ADDRESS SEEN-PORT MS | reset | silent | unreachable
 *   say PORT                                       ok          (on the connection that came from there)
 *   hear LOCAL-PORT TIMEOUT-MS                     heard | silent
 *   udp HOST PORT HEX TIMEOUT-MS                   answer HEX | refused | silent
 *   http URL TIMEOUT-MS [SOAP-ACTION HEX-BODY]     answer STATUS HEX
 */
import { createSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const kept: Socket[] = [];

const listen = (port: number): Promise<string> =>
  new Promise((resolve) => {
    const server = createServer((socket) => {
      keep(socket);
      socket.write(`${socket.remoteAddress?.replace('::ffff:', '') ?? '?'} ${socket.remotePort ?? 0}\n`);
    });
    server.once('error', (failure) => {
      resolve(failure.message);
    });
    server.listen(port, () => {
      resolve('ok');
    });
  });

const dial = (localPort: number, host: string, port: number, timeout: number): Promise<string> =>
  new Promise((resolve) => {
    const begun = performance.now();
    let took = 0;
    const socket = connect({ host, port, localPort });
    const silence = setTimeout(() => {
      resolve('silent');
      socket.destroy();
    }, timeout);
    socket.once('connect', () => {
      took = performance.now() - begun;
      clearTimeout(silence);
      keep(socket);
      // In a simultaneous open nobody accepts, so nobody tells.
      socket.setTimeout(timeout, () => {
        resolve(`open ? 0 ${took}`);
      });
    });
    socket.once('data', (seen) => {
      resolve(`open ${seen.toString().trim()} ${took}`);
    });
    socket.once('error', (failure: NodeJS.ErrnoException) => {
      resolve(failure.code === 'ECONNREFUSED' || failure.code === 'ECONNRESET' ? 'reset' : 'unreachable');
    });
    socket.once('close', () => {
      clearTimeout(silence);
    });
  });

/** Says something on the connection that came from a port. */
const say = (remotePort: number): string => {
  const socket = kept.findLast((each) => each.remotePort === remotePort);
  return socket?.write('hello\n') === undefined ? `no connection from ${remotePort}` : 'ok';
};

/** Waits for something to come on the connection that left from a port. */
const hear = (localPort: number, timeout: number): Promise<string> =>
  new Promise((resolve) => {
    const socket = kept.findLast((each) => each.localPort === localPort);
    const silence = setTimeout(resolve, timeout, 'silent');
    socket?.once('data', () => {
      clearTimeout(silence);
      resolve('heard');
    });
  });

const udp = (host: string, port: number, message: Buffer, timeout: number): Promise<string> =>
  new Promise((resolve) => {
    const socket = createSocket('udp4');
    const end = (answer: string) => {
      clearTimeout(silence);
      socket.close();
      resolve(answer);
    };
    const silence = setTimeout(end, timeout, 'silent');
    const hear = (answer: Buffer) => {
      end(`answer ${answer.toString('hex')}`);
    };
    socket.once('message', hear);
    socket.once('error', () => {
      end('refused');
    });
    // Only a connected socket hears that its packet was refused; but a multicast is answered from another address.
    if (host.startsWith('239.')) socket.send(message, port, host);
    else {
      socket.connect(port, host, () => {
        socket.send(message);
      });
    }
  });

const http = async (url: string, timeout: number, action?: string, body = ''): Promise<string> => {
  const post = {
    method: 'POST',
    headers: { SOAPAction: `"${action ?? ''}"`, 'Content-Type': 'text/xml' },
    body: Buffer.from(body, 'hex'),
  };
  const response = await fetch(url, { ...(action !== undefined && post), signal: AbortSignal.timeout(timeout) });
  return `answer ${response.status} ${Buffer.from(await response.text()).toString('hex')}`;
};

const keep = (socket: Socket): void => {
  kept.push(socket);
  socket.on('error', () => undefined);
};

const answer = (verb: string, args: readonly string[]): Promise<string> => {
  const [first = '', second = '', third = '', fourth = ''] = args;
  if (verb === 'listen') return listen(Number(first));
  if (verb === 'connect') return dial(Number(first), second, Number(third), Number(fourth));
  if (verb === 'say') return Promise.resolve(say(Number(first)));
  if (verb === 'hear') return hear(Number(first), Number(second));
  if (verb === 'udp') return udp(first, Number(second), Buffer.from(third, 'hex'), Number(fourth));
  if (verb === 'http') return http(first, Number(second), args[2], args[3]);
  return Promise.reject(new Error(`unknown request: ${verb}`));
};

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [id = '', verb = '', ...args] = line.split(' ');
    answer(verb, args).then(
      (words) => process.stdout.write(`${id} ${words}\n`),
      (failure: unknown) => process.stdout.write(`${id} failed ${String(failure)}\n`),
    );
  })
  .once('close', () => process.exit());
