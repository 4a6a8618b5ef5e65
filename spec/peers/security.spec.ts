import { once } from 'node:events';
import type { Socket } from 'node:net';
import { firstValueFrom, switchMap, zip, type Subscription } from 'rxjs';
import type { NetConfig } from '../../lib/config.js';
import { resolveConfig } from '../../lib/config/resolve.js';
import { DialError, PeerMismatchError } from '../../lib/errors.js';
import { dial$, listen$ } from '../../lib/link/tcp.js';
import { secureContextOf } from '../../lib/link/tls.js';
import { kindOf } from '../../lib/net/security.js';
import { Peers } from '../../lib/peers/peers.js';
import type { Security } from '../../lib/peers/security.js';
import { systemRuntime } from '../../lib/runtime.js';
import { peerIdOf } from '../support/locators.js';
import { failureOf } from '../support/nodes.js';

interface Node {
  readonly peerId: string;
  readonly security: Security;
  readonly peers: Peers;
}

function nodeOf(options: NetConfig): Node {
  const config = resolveConfig(options);
  const runtime = systemRuntime;
  const { security } = kindOf({ config, runtime, context: secureContextOf(config.identity) });
  return { peerId: config.identity.peerId, security, peers: new Peers(config, runtime, security, () => undefined) };
}

/** The two ends of a connection on loopback, paused. */
function pair(): Promise<readonly [Socket, Socket]> {
  return firstValueFrom(
    listen$({ address: '127.0.0.1', port: 0 }).pipe(
      switchMap(({ local, socket$ }) => zip(dial$({ host: local.address, port: local.port }), socket$)),
    ),
  );
}

const KINDS: readonly NetConfig[] = [
  { mode: 'direct', security: 'tls' },
  { mode: 'direct', security: 'plain' },
  { mode: 'p2p', security: 'plain' },
];

for (const options of KINDS) {
  describe(`the security of a ${String(options.security)} net in ${options.mode} mode`, () => {
    let running: Subscription | undefined;
    afterEach(() => running?.unsubscribe());

    it('makes connections of the two ends of a socket, which exchange lines', async () => {
      const [here, there] = [nodeOf(options), nodeOf(options)];
      const [ours, theirs] = await pair();
      running = there.security.receive$(theirs, there.peers).subscribe();
      const arrived = firstValueFrom(there.peers.connection$);
      const link = await firstValueFrom(here.security.linkOver$(ours, { technique: 'tunnel', peerId: there.peerId }));
      expect([link.technique, link.direct]).toEqual(['tunnel', true]);
      const connection = here.peers.adopt(link);
      const peer = await arrived;
      expect([connection.direction, peer.direction]).toEqual(['outbound', 'inbound']);
      const [heardHere, heardThere] = [firstValueFrom(connection.lines$), firstValueFrom(peer.lines$)];
      connection.send('Sup Bob.');
      peer.send('Sup Alice.');
      expect([await heardHere, await heardThere]).toEqual(['Sup Alice.', 'Sup Bob.']);
      connection.destroy();
      peer.destroy();
    });

    it('closes a socket for which there is no slot', async () => {
      const [here, there] = [nodeOf(options), nodeOf({ ...options, slots: { inbound: 0 } })];
      const [ours, theirs] = await pair();
      const closed = once(theirs, 'close');
      running = there.security.receive$(theirs, there.peers).subscribe({ error: () => undefined });
      here.security.linkOver$(ours, { technique: 'direct', peerId: undefined }).subscribe({
        next: (link) => here.peers.adopt(link),
        error: () => undefined,
      });
      await closed;
      expect([there.peers.count('inbound'), there.peers.begun]).toEqual([0, []]);
      for (const connection of here.peers.begun) connection.destroy();
    });
  });
}

describe('the security of a node', () => {
  for (const security of ['tls', 'plain'] as const) {
    it(`can drop a socket that has not sent anything yet, with ${security}`, async () => {
      const node = nodeOf({ mode: 'direct', security });
      const [, theirs] = await pair();
      const closed = once(theirs, 'close');
      node.security.receive$(theirs, node.peers).subscribe().unsubscribe();
      await closed;
      expect(theirs.destroyed).toBeTrue();
    });
  }

  it('makes no link to a node with another key than the peer’s', async () => {
    const [here, there] = [nodeOf({ mode: 'direct' }), nodeOf({ mode: 'direct' })];
    const [ours, theirs] = await pair();
    const receiving = there.security.receive$(theirs, there.peers).subscribe({ error: () => undefined });
    const link$ = here.security.linkOver$(ours, { technique: 'direct', peerId: peerIdOf(1) });
    expect(await failureOf(link$)).toBeInstanceOf(PeerMismatchError);
    if (!ours.destroyed) await once(ours, 'close');
    expect(ours.destroyed).toBeTrue();
    receiving.unsubscribe();
  });

  it('makes no link where the connection breaks at the end of the handshake, and does not blame the peer', async () => {
    const [here, there] = [nodeOf({ mode: 'direct' }), nodeOf({ mode: 'direct' })];
    const [ours, theirs] = await pair();
    const receiving = there.security.receive$(theirs, there.peers).subscribe({ error: () => undefined });
    // Between the end of the handshake and the link.
    const timers: { setImmediate: (action: () => void) => unknown } = globalThis;
    const later = timers.setImmediate;
    const waits = spyOn(timers, 'setImmediate').and.callFake((action) => {
      ours.destroy();
      return later(action);
    });
    const link$ = here.security.linkOver$(ours, { technique: 'direct', peerId: there.peerId });
    expect(await failureOf(link$)).toBeInstanceOf(DialError);
    expect(waits).toHaveBeenCalledTimes(1);
    receiving.unsubscribe();
  });
});
