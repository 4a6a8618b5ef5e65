import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { firstValueFrom, of, switchMap, take, tap, toArray } from 'rxjs';
import type { NetConfig } from '../../../lib/config.js';
import { resolveConfig } from '../../../lib/config/resolve.js';
import type { ServerAddress } from '../../../lib/endpoint.js';
import { DialError } from '../../../lib/errors.js';
import { secureContextOf } from '../../../lib/link/tls.js';
import type { NatClassification } from '../../../lib/nat/classify.js';
import type { OwnPunchSide } from '../../../lib/techniques/punch/plan.js';
import { Peers } from '../../../lib/peers/peers.js';
import { OUR_DIALECT } from '../../../lib/rendezvous/our-dialect.js';
import { tlsSecurity } from '../../../lib/peers/tls-security.js';
import { punchContextOf } from '../../../lib/techniques/punch/node.js';
import { systemRuntime } from '../../../lib/runtime.js';
import type { PunchContext } from '../../../lib/techniques/punch/context.js';
import type { NatType } from '../../../lib/unl/types.js';
import { peerIdOf } from '../../support/locators.js';
import { addressOf, failureOf, Lab, newAddress } from '../../support/nodes.js';

const SEEN_AT = '198.51.100.7';

/** A node with its connections, and what it gives to its punches. */
function nodeOf(
  nat: NatClassification | undefined,
  servers: readonly ServerAddress[],
  config: Partial<NetConfig> = {},
): { readonly context: PunchContext; readonly peers: Peers } {
  const resolved = resolveConfig({ mode: 'direct', bind: newAddress(), ...config });
  // A port from which one has just hung up cannot be used again at once.
  let chance = 0;
  const runtime = { ...systemRuntime, random: () => (chance = (chance + 0.3) % 1) };
  const secureContext = secureContextOf(resolved.identity);
  const security = tlsSecurity({ config: resolved, runtime, context: secureContext });
  const peers = new Peers(resolved, runtime, security, () => undefined);
  const context = punchContextOf({
    config: resolved,
    runtime,
    context: secureContext,
    peers,
    dialect: OUR_DIALECT,
    nats$: of(nat === undefined ? [] : [{ ...nat, family: 4, servers, roundTripMs: 80, lastPort: 49_996 }]),
    roundTripMs: () => 80,
    looksForItself: false,
    tell: () => undefined,
  });
  return { context, peers };
}

const natOf = (natType: NatType): NatClassification => ({ natType, confidence: 1, addresses: [SEEN_AT] });
const LOOK = { by: 'us', mayGuess: false } as const;
const GUESS = { by: 'us', mayGuess: true } as const;
const NOBODY = { host: '192.0.2.1', port: 1 };

describe('what punches use of their node', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** A server that sees each who comes at the next of some ports, and all the others at the last. */
  async function serverThatSees(...ports: number[]): Promise<ServerAddress> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      const port = ports.length > 1 ? ports.shift() : ports[0];
      socket.write(`NONCE ${'A'.repeat(43)} ${SEEN_AT}:${port ?? 0}\r\n`);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    return { host: '127.0.0.1', port: addressOf(server).port };
  }

  it('is its predicted side, without asking a server when its ports are known or random', async () => {
    for (const type of ['open', 'preserving', 'random'] as const) {
      const { context } = nodeOf(natOf({ type }), [NOBODY]);
      const side = await firstValueFrom(context.side$(4, [], LOOK));
      expect([side.natType, side.address]).toEqual([{ type }, SEEN_AT]);
      expect(side.ports).toEqual(type === 'random' ? [] : side.localPorts.slice(0, 1));
      expect(side.localPorts).toHaveSize(8);
      expect(side.localPorts.every((port) => port >= 16_384 && port < 32_768)).toBeTrue();
    }
  });

  it('asks a server how it looks where it has to', async () => {
    const server = await serverThatSees(50_000);
    const { context } = nodeOf(natOf({ type: 'reuse' }), [server]);
    expect((await firstValueFrom(context.side$(4, [], LOOK))).ports).toEqual([50_000]);
    const next = await firstValueFrom(nodeOf(natOf({ type: 'delta', delta: 2 }), [server]).context.side$(4, [], LOOK));
    expect(next.ports.slice(0, 3)).toEqual([50_002, 50_004, 50_006]);
    const [first = 0] = (await firstValueFrom(nodeOf(natOf({ type: 'open' }), [NOBODY]).context.side$(4, [], LOOK)))
      .localPorts;
    expect(next.localPorts).withContext('the one that was looked at is taken').not.toContain(first);
  });

  it('makes a mapping before it is needed where the peer is behind the same NAT', async () => {
    const server = await serverThatSees(50_000);
    const { context } = nodeOf(natOf({ type: 'preserving' }), [server]);
    const side = await firstValueFrom(context.side$(4, ['198.51.100.8', SEEN_AT], LOOK));
    expect(side.ports).toEqual([50_000, ...side.localPorts.slice(0, 1)]);
  });

  /** Begins a punch of eight SYNs, none of which leaves. */
  function punch(context: PunchContext): void {
    const syns = Array.from({ length: 8 }, (_, i) => ({ atMs: i, localPort: undefined, remotePort: 4000 }));
    void context.punch$({ address: SEEN_AT, syns, listenPort: undefined, maxSyns: 0, deadlineMs: 1 }, () => undefined);
  }

  it('guesses the count of a delta NAT while a look is under way, and says so when it was wrong', async () => {
    const delta: NatType = { type: 'delta', delta: 4 };
    // The last mapping was of port 49996, so that the look gets 50000 and the punch what comes after.
    const quiet = nodeOf(natOf(delta), [await serverThatSees(50_000)]).context;
    const sides: OwnPunchSide[] = [];
    const held = quiet.side$(4, [], GUESS).subscribe({ next: (side) => sides.push(side), error: fail });
    expect(sides.map(({ ports: [first] }) => first)).toEqual([50_004]);
    const [guess] = sides;
    held.unsubscribe();

    const busy = nodeOf(natOf(delta), [await serverThatSees(51_000, 52_000, 52_004)]).context;
    const side$ = busy.side$(4, [], GUESS);
    const [wrong, right] = await firstValueFrom(side$.pipe(take(2), toArray()));
    expect([wrong?.ports, right?.ports[0]]).toEqual([guess?.ports, 51_004]);
    expect(right?.localPorts).toEqual(wrong?.localPorts);
    expect((await firstValueFrom(side$)).ports[0])
      .withContext('not where a guess was wrong')
      .toBe(52_004);
    expect((await firstValueFrom(side$)).ports[0])
      .withContext('nor at the next look')
      .toBe(52_008);
    expect((await firstValueFrom(side$)).ports[0])
      .withContext('but once a look was as expected')
      .toBe(52_012);
  });

  it('counts the mappings of its own punches', async () => {
    const { context } = nodeOf(natOf({ type: 'delta', delta: 4 }), [NOBODY]);
    punch(context);
    expect((await firstValueFrom(context.side$(4, [], GUESS))).ports[0]).toBe(50_036);
  });

  it('counts those that it makes while a look is under way', async () => {
    const { context } = nodeOf(natOf({ type: 'delta', delta: 4 }), [await serverThatSees(60_000, 60_036)]);
    const sides$ = context.side$(4, [], GUESS).pipe(
      tap(({ ports: [first] }) => {
        if (first === 50_004) punch(context);
      }),
    );
    const [, side] = await firstValueFrom(sides$.pipe(take(2), toArray()));
    expect(side?.ports[0]).toBe(60_004);
    await firstValueFrom(context.side$(4, [], LOOK));
    expect((await firstValueFrom(context.side$(4, [], GUESS))).ports[0]).toBe(60_044);
  });

  it('fails before a server has seen this node', async () => {
    expect(await failureOf(nodeOf(undefined, [NOBODY]).context.side$(4, [], LOOK))).toBeInstanceOf(DialError);
    expect(await failureOf(nodeOf(natOf({ type: 'open' }), []).context.side$(4, [], LOOK))).toBeInstanceOf(DialError);
  });

  it('answers peers that are welcome, while there is room', () => {
    const peerId = peerIdOf(7);
    const admits = (config: Partial<NetConfig>) =>
      nodeOf(undefined, [], config).context.admits({ from: peerId, seenAt: SEEN_AT });
    expect(admits({})).toBeTrue();
    expect(admits({ acceptPeer: (other) => other !== peerId })).toBeFalse();
    expect(admits({ slots: { inbound: 0 } })).toBeFalse();
    const broken = () => {
      throw new Error('broken');
    };
    expect(admits({ acceptPeer: broken })).toBeFalse();
  });

  it('makes a socket a connection: chosen on one side, accepted on the other', async () => {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const dialled = connect(addressOf(server).port, '127.0.0.1');
    const [chooser, taker] = [nodeOf(undefined, []), nodeOf(undefined, [])];
    const chosen = firstValueFrom(chooser.context.secure$(dialled, 'client', taker.context.peerId));
    const taken = firstValueFrom(
      taker.context
        .secure$(await accepted, 'server', chooser.context.peerId)
        .pipe(switchMap((link) => taker.context.receive$(link))),
    );
    chooser.peers.adopt(await chosen);
    await taken;
    const [there] = taker.peers.all;
    expect(there?.peerId).toBe(chooser.context.peerId);
    const here = await firstValueFrom(chooser.peers.connection$);
    const line = there && firstValueFrom(there.lines$);
    here.send('through the NAT');
    expect(await line).toBe('through the NAT');
    here.close();
    await firstValueFrom(chooser.peers.left$);
  });
});
