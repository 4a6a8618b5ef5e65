import { InvalidOptionError } from '../../lib/errors.js';
import { stagesOf as stagesOfNode, withoutRelay, type StagesOptions } from '../../lib/techniques/stages.js';
import { TECHNIQUE_NAMES } from '../../lib/techniques/technique.js';
import type { NodeType, Unl } from '../../lib/unl/types.js';
import { NEVER } from 'rxjs';
import { NODE_TECHNIQUES, techniqueOf } from '../support/attempts.js';
import { unlOf, unlOfVersion2 } from '../support/locators.js';

const stagesOf = (options: StagesOptions = {}) => stagesOfNode(NODE_TECHNIQUES, options);

describe('the techniques to try', () => {
  const own = unlOf({ nodeType: 'passive' });
  const namesOf = (techniques: readonly string[] | undefined, peer: Unl = unlOf()) =>
    stagesOf({ techniques })(own, peer).flatMap((stage) => stage.techniques.map(({ name }) => name));

  it('are all of them when none is named, but for those of PyP2P’s nodes, which are for these only', () => {
    const forPyp2p = (nodeType: NodeType) => namesOf(undefined, unlOfVersion2({ nodeType }));
    // A relay is gone by when it is named; a TURN server is asked where one of both has it.
    const all = new Set([...namesOf(undefined), ...forPyp2p('simultaneous'), 'relay', 'turn']);
    expect(all).toEqual(new Set(TECHNIQUE_NAMES));
    expect(namesOf(undefined)).toEqual(['direct', 'simultaneous-open', 'reverse-connect', 'relay']);
    expect(forPyp2p('simultaneous')).toEqual(['direct', 'reverse-query', 'challenge']);
    expect(forPyp2p('passive')).toEqual(['direct']);
    expect(forPyp2p('active')).toEqual(['direct', 'reverse-query']);
  });

  it('are the ones that are named, each a stage of its own', () => {
    const wanted = TECHNIQUE_NAMES.toReversed();
    expect(namesOf(wanted)).toEqual(wanted);
    expect(stagesOf({ techniques: wanted })(own, unlOf())).toHaveSize(wanted.length);
    expect(namesOf([])).toEqual([]);
  });

  it('dial a peer that can be dialled first, and lose no time with any other', () => {
    const sizesWith = (nodeType: NodeType) =>
      stagesOf()(own, unlOf({ nodeType })).map(({ techniques }) => techniques.length);
    expect(sizesWith('passive')).toEqual([1, 2, 1]);
    expect(sizesWith('simultaneous')).toEqual([3, 1]);
    expect(sizesWith('active')).toEqual([3, 1]);
  });

  it('cannot have unknown names', () => {
    expect(() => stagesOf({ techniques: ['direkt'] })).toThrowError(
      InvalidOptionError,
      /Expected `techniques` to be one of direct.*got `direkt`/,
    );
  });

  describe('and the relay', () => {
    /** Where a node is seen. */
    const at = (address: string, nodeType: NodeType) =>
      unlOf({ nodeType, endpoints: [{ kind: 'wan', address, port: 1 }] });
    /** Each stage with its head start. */
    const stagesWith = (options: StagesOptions, from: Unl, to: Unl) =>
      stagesOf(options)(from, to).map((stage) => `${stage.techniques.map(({ name }) => name).join('|')} ${stage.lead}`);
    const HERE = '192.0.2.1';
    const THERE = '198.51.100.1';
    const ALL = 'direct|simultaneous-open|reverse-connect';

    it('comes last where either node can be dialled', () => {
      expect(stagesWith({}, at(HERE, 'active'), at(THERE, 'passive'))).toEqual([
        'direct 3',
        'simultaneous-open|reverse-connect 6',
        'relay 0',
      ]);
      for (const nodeType of ['active', 'simultaneous'] as const) {
        expect(stagesWith({}, at(HERE, 'passive'), at(THERE, nodeType))).toEqual([`${ALL} 6`, 'relay 0']);
      }
    });

    it('is tried at once when neither can, or a moment later when they may be on one network', () => {
      for (const [own, peer] of [
        ['active', 'active'],
        ['active', 'simultaneous'],
        ['simultaneous', 'active'],
        ['simultaneous', 'simultaneous'],
      ] as const) {
        expect(stagesWith({}, at(HERE, own), at(THERE, peer))).toEqual([`${ALL} 0`, 'relay 0']);
        expect(stagesWith({}, at(HERE, own), at(HERE, peer))).toEqual([`${ALL} 1`, 'relay 0']);
      }
    });

    it('is tried at once, too, when it is not certain that this node can be dialled, as its locator says', () => {
      const [own, peer] = [at(HERE, 'passive'), at(THERE, 'active')];
      const namesIfDialled = (isDialled: boolean) =>
        stagesOf()(own, peer, isDialled).map(
          (stage) => `${stage.techniques.map(({ name }) => name).join('|')} ${stage.lead}`,
        );
      expect(namesIfDialled(true)).toEqual([`${ALL} 6`, 'relay 0']);
      expect(namesIfDialled(false)).toEqual([`${ALL} 0`, 'relay 0']);
    });

    it('is the first of those that are tried at once where both NATs give random ports', () => {
      const behind = (address: string, type: 'random' | 'preserving') =>
        unlOf({ nodeType: 'active', natType: { type }, endpoints: [{ kind: 'wan', address, port: 1 }] });
      expect(stagesWith({}, behind(HERE, 'random'), behind(THERE, 'random'))).toEqual(['relay 0', `${ALL} 0`]);
      expect(stagesWith({}, behind(HERE, 'random'), behind(THERE, 'preserving'))).toEqual([`${ALL} 0`, 'relay 0']);
      expect(stagesWith({}, behind(HERE, 'random'), behind(HERE, 'random'))).toEqual([`${ALL} 1`, 'relay 0']);
    });

    it('comes when the application wants it to', () => {
      const [active, passive] = [at(HERE, 'active'), at(THERE, 'passive')];
      expect(stagesWith({ relayFirst: true }, active, passive)).toEqual([
        'direct 0',
        'relay 0',
        'simultaneous-open|reverse-connect 6',
      ]);
      expect(stagesWith({ relayFirst: true }, passive, active)).toEqual([`${ALL} 0`, 'relay 0']);
      expect(stagesWith({ relayFirst: false }, active, at(THERE, 'active'))).toEqual([`${ALL} 6`, 'relay 0']);
    });

    it('has no head start over the techniques that are named behind it where it is to be first', () => {
      const techniques = ['relay', 'direct'];
      const [own, peer] = [at(HERE, 'passive'), at(THERE, 'passive')];
      expect(stagesWith({ techniques, relayFirst: true }, own, peer)).toEqual(['relay 0', 'direct 3']);
      expect(stagesWith({ techniques }, own, peer)).toEqual(['relay 3', 'direct 3']);
    });

    it('stand beside an application’s own, in their order', () => {
      const mine = techniqueOf('mine', () => NEVER);
      const stages = stagesOf({ techniques: ['direct', mine, 'relay'] })(own, unlOf());
      expect(stages[1]?.techniques).toEqual([mine]);
      expect(stages.map(({ techniques }) => techniques.map(({ name }) => name))).toEqual([
        ['direct'],
        ['mine'],
        ['relay'],
      ]);
    });

    it('is left out when a better link is looked for, with a stage that has nothing else', () => {
      const from = at(HERE, 'active');
      const namesIn = (stages: ReturnType<typeof withoutRelay>) =>
        stages.map(({ techniques, lead }) => [...techniques.map(({ name }) => name), lead]);
      expect(namesIn(withoutRelay(stagesOf()(from, at(THERE, 'passive'))))).toEqual([
        ['direct', 3],
        ['simultaneous-open', 'reverse-connect', 6],
      ]);
      expect(withoutRelay(stagesOf({ techniques: ['relay'] })(from, from))).toEqual([]);
    });
  });
});
