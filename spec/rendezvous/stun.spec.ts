import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { firstValueFrom, tap } from 'rxjs';
import { DEFAULT_TIMING } from '../../lib/config.js';
import { DialError, RendezvousError } from '../../lib/errors.js';
import { webTlsBy } from '../../lib/link/web-tls.js';
import { observe$ } from '../../lib/rendezvous/observe.js';
import { OUR_DIALECT } from '../../lib/rendezvous/our-dialect.js';
import { mayAskAt } from '../../lib/rendezvous/stun.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { ATTRIBUTE, BINDING, encodeStun, plainAddress, xorAddress, type StunMessage } from '../../lib/stun/messages.js';
import { failureOf, Lab, newAddress } from '../support/nodes.js';
import { answerTo, answerWith, coturn, needsCoturn, otherAddress, seenAt, stunServer } from '../support/stun.js';
import { temporaryFolder } from '../support/folder.js';
import { putCertificate, webCertificate } from '../support/web-certificate.js';

const PORT = 41_200;

function configAt(bind: string, runtime: Partial<Runtime> = {}, handshakeMs = DEFAULT_TIMING.handshakeMs) {
  return {
    bind,
    runtime: { ...systemRuntime, ...runtime },
    dialect: OUR_DIALECT,
    timing: { ...DEFAULT_TIMING, handshakeMs },
  };
}

describe('a STUN server', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  it('tells the endpoint behind a local port, its other address, and how far it is', async () => {
    const bind = newAddress();
    const server = await stunServer(lab, (request, socket) =>
      socket.write(answerTo(request, seenAt(socket), [otherAddress('127.0.0.9')])),
    );
    const observer = { ...server, isStun: true };
    const observation = await firstValueFrom(observe$(observer, PORT, configAt(bind)));
    expect(observation).toEqual({
      localPort: PORT,
      server: { address: server.host, port: server.port },
      observer,
      observed: { address: bind, port: PORT },
      otherAddress: '127.0.0.9',
      roundTripMs: jasmine.any(Number),
    });
  });

  it('from before XOR-MAPPED-ADDRESS is understood, too', async () => {
    const bind = newAddress();
    const server = await stunServer(lab, (request, socket) =>
      socket.write(
        answerWith(request, [
          { type: ATTRIBUTE.mappedAddress, value: plainAddress(seenAt(socket)) },
          // SOURCE-ADDRESS and CHANGED-ADDRESS of RFC 3489.
          { type: 0x0004, value: plainAddress({ address: '192.0.2.1', port: 3_478 }) },
          { type: 0x0005, value: plainAddress({ address: '192.0.2.2', port: 3_479 }) },
        ]),
      ),
    );
    const { observed } = await firstValueFrom(observe$({ ...server, isStun: true }, PORT, configAt(bind)));
    expect(observed).toEqual({ address: bind, port: PORT });
  });

  it('may send its answer in pieces', async () => {
    const bind = newAddress();
    const server = await stunServer(lab, async (request, socket) => {
      for (const byte of answerTo(request, seenAt(socket)))
        await new Promise((resolve) => socket.write(Buffer.of(byte), resolve));
    });
    const { observed } = await firstValueFrom(observe$({ ...server, isStun: true }, PORT, configAt(bind)));
    expect(observed).toEqual({ address: bind, port: PORT });
  });

  it('is asked with a transaction that nobody can guess, and a FINGERPRINT', async () => {
    const asked: StunMessage[] = [];
    const server = await stunServer(lab, (request, socket) => {
      asked.push(request);
      socket.write(answerTo(request, seenAt(socket)));
    });
    for (const port of [PORT, PORT + 1])
      await firstValueFrom(observe$({ ...server, isStun: true }, port, configAt(newAddress())));
    expect(asked.map(({ method, class: kind, attributes }) => [method, kind, attributes])).toEqual([
      [BINDING, 'request', []],
      [BINDING, 'request', []],
    ]);
    expect(asked[0]?.transaction).not.toEqual(asked[1]?.transaction);
  });

  it('holds no more than the answer: what comes behind it is not read', async () => {
    const sockets: Socket[] = [];
    const dial$: Runtime['dial$'] = (config) => systemRuntime.dial$(config).pipe(tap((socket) => sockets.push(socket)));
    const server = await stunServer(lab, (request, socket) => {
      socket.write(answerTo(request, seenAt(socket)));
      socket.write(Buffer.alloc(10_000_000));
    });
    await new Promise<void>((resolve) => {
      const observing$ = observe$({ ...server, isStun: true }, PORT, configAt(newAddress(), { dial$ }));
      const seen = observing$.subscribe(() => {
        setImmediate(resolve);
      });
      lab.use(seen);
    });
    expect(sockets.map((socket) => [socket.isPaused(), socket.destroyed])).toEqual([[true, false]]);
  });

  /** What a hostile server may say, and what comes of it. */
  const WRONG: Readonly<
    Record<string, readonly [say: (request: StunMessage, socket: Socket) => unknown, words: RegExp]>
  > = {
    'another transaction': [
      (request, socket) => socket.write(answerTo({ ...request, transaction: Buffer.alloc(12) }, seenAt(socket))),
      /answers something else/,
    ],
    'the answer to another method': [
      ({ transaction }, socket) =>
        socket.write(encodeStun({ method: 3, class: 'success', transaction, attributes: [] })),
      /answers something else/,
    ],
    'its own question': [
      ({ transaction }, socket) =>
        socket.write(encodeStun({ method: BINDING, class: 'request', transaction, attributes: [] })),
      /answers something else/,
    ],
    'what one has to know and nobody does': [
      (request, socket) => socket.write(answerTo(request, seenAt(socket), [{ type: 0x7fff, value: Buffer.alloc(0) }])),
      /answers something else/,
    ],
    'no address': [(request, socket) => socket.write(answerWith(request, [])), /does not say where/],
    'an address that nobody has': [
      (request, socket) => socket.write(answerTo(request, { address: '224.0.0.1', port: 1 })),
      /does not say where/,
    ],
    'an address without a port': [
      ({ transaction, ...request }, socket) =>
        socket.write(
          answerWith({ transaction, ...request }, [
            { type: ATTRIBUTE.xorMappedAddress, value: xorAddress({ address: '192.0.2.1', port: 0 }, transaction) },
          ]),
        ),
      /does not say where/,
    ],
    'a refusal': [
      ({ transaction }, socket) =>
        socket.write(
          encodeStun({
            method: BINDING,
            class: 'error',
            transaction,
            attributes: [
              {
                type: ATTRIBUTE.errorCode,
                value: Buffer.concat([Buffer.of(0, 0, 5, 0), Buffer.from('not\u001btoday')]),
              },
            ],
          }),
        ),
      /refuses \(500\): not today$/,
    ],
    'another protocol': [
      (_, socket) => socket.write('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'),
      /answers, but not by STUN/,
    ],
    'a message of 64 KiB': [
      (_, socket) => socket.write(Buffer.from(`0101fffc2112a442${'00'.repeat(12)}`, 'hex')),
      /answers, but not by STUN/,
    ],
    'a message whose FINGERPRINT is wrong': [
      (request, socket) => {
        const answer = answerTo(request, seenAt(socket));
        answer[answer.length - 1] = (answer.at(-1) ?? 0) ^ 1;
        socket.write(answer);
      },
      /answers, but not by STUN/,
    ],
    'nothing, and hangs up': [(_, socket) => socket.end(), /went away/],
    'nothing, and resets the connection': [(_, socket) => socket.resetAndDestroy(), /went away/],
    nothing: [() => undefined, /does not say where/],
  };
  for (const [what, [say, words]] of Object.entries(WRONG)) {
    it(`that says ${what} is no failure of anything else`, async () => {
      const server = await stunServer(lab, say);
      const failure = await failureOf(observe$({ ...server, isStun: true }, PORT, configAt(newAddress(), {}, 200)));
      expect(failure).toBeInstanceOf(RendezvousError);
      expect(failure).toEqual(jasmine.objectContaining({ message: jasmine.stringMatching(words) }));
      expect(failure).toEqual(
        jasmine.objectContaining({ message: jasmine.stringContaining(`STUN server ${server.host}`) }),
      );
    });
  }

  it('that is not there is told as any other', async () => {
    const nobody = { host: newAddress(), port: 1, isStun: true };
    expect(await failureOf(observe$(nobody, PORT, configAt(newAddress())))).toBeInstanceOf(DialError);
  });

  it('sends nobody to another kind of network by its other address', () => {
    for (const [address, other, isAsked] of [
      ['45.45.1.2', '45.45.1.3', true],
      ['2a45:45::2', '2a45:45::3', true],
      ['10.0.0.1', '192.168.1.1', true],
      ['127.0.0.1', '127.0.0.2', true],
      ['45.45.1.2', '45.45.1.2', false],
      ['45.45.1.2', '10.0.0.1', false],
      ['45.45.1.2', '127.0.0.1', false],
      ['45.45.1.2', '169.254.169.254', false],
      ['45.45.1.2', '224.0.0.1', false],
      ['45.45.1.2', '2a45:45::3', false],
      ['2a45:45::2', '64:ff9b::a00:1', false],
      ['10.0.0.1', '45.45.1.2', false],
      ['10.0.0.1', '127.0.0.1', false],
      ['127.0.0.1', '10.0.0.1', false],
    ] as const)
      expect(mayAskAt(other, address)).withContext(`${address} names ${other}`).toBe(isAsked);
  });

  it('is spoken to by TLS for looks at a NAT where it is named so, and has to prove its name', async () => {
    const certificate = webCertificate('127.0.0.1');
    const protocols: unknown[] = [];
    const server = await stunServer(
      lab,
      (request, socket) => {
        protocols.push(socket instanceof TLSSocket ? socket.alpnProtocol : undefined);
        socket.write(answerTo(request, seenAt(socket)));
      },
      { certificate, protocols: ['http/1.1', 'stun.nat-discovery'] },
    );
    const observer = { ...server, isStun: true, isSecure: true };
    const bind = newAddress();
    const trusting = configAt(bind, { webTls$: webTlsBy(certificate.cert) });
    expect((await firstValueFrom(observe$(observer, PORT, trusting))).observed).toEqual({ address: bind, port: PORT });
    expect(protocols).toEqual(['stun.nat-discovery']);
    expect(await failureOf(observe$(observer, PORT, configAt(newAddress())))).toBeInstanceOf(DialError);
  });
});

describe('coturn as a STUN server', () => {
  const lab = new Lab();
  afterEach(() => lab.close());
  const file = temporaryFolder();

  it('tells where it sees a node, by TCP and by TLS, and its other address', async () => {
    needsCoturn();
    const certificate = webCertificate('127.0.0.1');
    const { certFile, keyFile } = putCertificate(file, certificate);
    const [one, other] = [newAddress(), newAddress()];
    const { port, tlsPort } = await coturn(lab, [one, other], '--stun-only', '--cert', certFile, '--pkey', keyFile);
    for (const [observer, localPort] of [
      [{ host: one, port, isStun: true }, PORT],
      [{ host: '127.0.0.1', at: one, port: tlsPort, isStun: true, isSecure: true }, PORT + 1],
    ] as const) {
      const bind = newAddress();
      const config = configAt(bind, { webTls$: webTlsBy(certificate.cert) });
      const { observed, otherAddress: told } = await firstValueFrom(observe$(observer, localPort, config));
      expect(observed).toEqual({ address: bind, port: localPort });
      expect(told).toBe(other);
    }
  });
});
