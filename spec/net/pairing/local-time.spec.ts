import { BehaviorSubject, NEVER, of, Subject, take, VirtualTimeScheduler } from 'rxjs';
import { resolveConfig } from '../../../lib/config/resolve.js';
import { createIdentity } from '../../../lib/identity.js';
import { PairingError, type InviteStep } from '../../../lib/index.js';
import { invite$ } from '../../../lib/net/pairing/invite.js';
import { isTakenHere$, shownHere$, triedHere$, type LocalPlace } from '../../../lib/net/pairing/local.js';
import { answerSignal, readTry, trySignal } from '../../../lib/net/pairing/local-messages.js';
import type { PairingHost } from '../../../lib/net/pairing/servers.js';
import { parseCode } from '../../../lib/pairing/code.js';
import { Invitation } from '../../../lib/pairing/invitation.js';
import { Joining } from '../../../lib/pairing/joining.js';
import { systemRuntime } from '../../../lib/runtime.js';
import type { ReceivedSignal, Signal } from '../../../lib/signalling/signalling.js';
import { formatUnl, parseUnl } from '../../../lib/unl.js';
import { lanUnlOf } from '../../support/lan.js';

const CODE = parseCode('7-otter-violet');

/** A local network that is made of what it hears and of what is done with what it sends. */
function placeOf(
  config: Partial<LocalPlace['lan'] & LocalPlace['signalling']>,
  time: VirtualTimeScheduler,
): LocalPlace {
  const {
    isMet = () => false,
    meet$ = () => NEVER,
    under$ = () => NEVER,
    send$ = () => of('delivered'),
    signal$ = NEVER,
  } = config;
  return {
    lan: { isMet, meet$, under$ },
    signalling: { send$, signal$ },
    runtime: { scheduler: time },
    runToEnd: (work$) => void work$.subscribe(),
  };
}

/** A node with a locator. */
function newNode(): { readonly peerId: string; readonly unl: string } {
  const identity = createIdentity();
  return { peerId: identity.peerId, unl: formatUnl(lanUnlOf(identity, '192.168.1.7')) };
}

const received = (from: string, signal: Signal): ReceivedSignal => ({ ...signal, from, seenAt: undefined });

describe('A try at a node of the local network', () => {
  /** How a try ends at a node that shows its number no more once it has been tried, and whose last answer comes so much later. */
  function endOf(lastAfterMs: number | undefined): readonly unknown[] {
    const time = new VirtualTimeScheduler();
    const [alice, bob] = [newNode(), newNode()];
    const invitation = new Invitation({ code: CODE, peerId: alice.peerId, unl: () => alice.unl });
    const joining = new Joining({ code: CODE, id: 'one', peerId: bob.peerId, unl: bob.unl });
    const shown$ = new BehaviorSubject([{ peerId: alice.peerId, site: '192.168.1.7' }]);
    const signal$ = new Subject<ReceivedSignal>();
    const send$: LocalPlace['signalling']['send$'] = (_, signal) => {
      const said = readTry(signal);
      if (said === undefined) return of('delivered');
      const { answer, end } = invitation.take({ way: 'lan', ...said });
      if (answer !== undefined && end === undefined)
        signal$.next(received(alice.peerId, answerSignal({ id: 'one', message: answer })));
      if (end !== undefined) shown$.next([]);
      if (answer !== undefined && end !== undefined && lastAfterMs !== undefined)
        time.schedule(() => {
          signal$.next(received(alice.peerId, answerSignal({ id: 'one', message: answer })));
        }, lastAfterMs);
      return of('delivered');
    };
    const place = placeOf({ under$: () => shown$, send$, signal$ }, time);
    const ends: unknown[] = [];
    triedHere$(place, alice.peerId, { slot: CODE.slot, id: 'one', joining })
      .pipe(take(1))
      .subscribe((end) => ends.push(typeof end === 'string' ? end : 'peer' in end && end.peer.peerId === alice.peerId));
    time.flush();
    return ends;
  }

  it('waits for the last answer, though the node shows the number no more', () => {
    expect(endOf(5_000)).toEqual([true]);
  });

  it('ends where that does not come', () => {
    expect(endOf(undefined)).toEqual(['gone']);
  });
});

describe('The nodes of the local network that are tried', () => {
  it('are one of each host, so that one with many keys leaves room for others', () => {
    const time = new VirtualTimeScheduler();
    const nodes = ['a1', 'a2', 'a3', 'a4', 'own', 'b1'].map((peerId) => ({ peerId, site: peerId.charAt(0) }));
    const tried: string[] = [];
    shownHere$(placeOf({ under$: () => of(nodes) }, time), CODE.slot, 'own').subscribe((peerId) => tried.push(peerId));
    time.flush();
    expect(tried).toEqual(['a1', 'b1']);
  });
});

describe('A number that is free on the local network', () => {
  it('is none by which this node shows another code', () => {
    const time = new VirtualTimeScheduler();
    const seen: boolean[] = [];
    for (const isMet of [false, true]) {
      isTakenHere$(placeOf({ isMet: () => isMet }, time), CODE.slot).subscribe((isTaken) => seen.push(isTaken));
    }
    time.flush();
    expect(seen).toEqual([false, true]);
  });
});

describe('A code that is closed', () => {
  it('tells how many wrong tries there were, where too many nodes began to use it', () => {
    const time = new VirtualTimeScheduler(undefined, 1_000);
    const [alice, bob] = [newNode(), newNode()];
    const own = parseUnl(alice.unl);
    const signal$ = new Subject<ReceivedSignal>();
    const host: PairingHost = {
      config: resolveConfig({ mode: 'direct' }),
      runtime: { ...systemRuntime, scheduler: time },
      findings$: NEVER,
      own$: of(own),
      own: () => own,
      here: placeOf({ signal$ }, time),
    };
    const [steps, errors]: [InviteStep[], unknown[]] = [[], []];
    invite$({ wrongTries: 2 }, host).subscribe({
      next: (step) => steps.push(step),
      error: (error: unknown) => errors.push(error),
    });
    time.flush();
    const [step] = steps;
    if (step?.step !== 'code') throw new Error('Expected a code');
    const code = parseCode(step.code);
    for (let tries = 0; tries < 17; tries++) {
      const id = `try${tries}`;
      const { first } = new Joining({ code, id, peerId: bob.peerId, unl: bob.unl });
      signal$.next(received(bob.peerId, trySignal({ slot: code.slot, id, message: first })));
    }
    expect(errors).toEqual([jasmine.objectContaining({ code: 'CODE_WRONG', wrongTries: 2 })]);
    expect(errors[0]).toBeInstanceOf(PairingError);
  });
});
