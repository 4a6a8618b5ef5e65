import { storyOf, type StoryEvent } from '../../../lib/cli/story/story.js';

const START = 1_700_000_000_000;
const own = { natType: { type: 'preserving' }, address: '45.45.1.7', ports: [4000] } as const;
const round = { type: 'punch', attemptId: 'a', peerId: 'p', round: 0, by: 'us' } as const;

describe('the story of an attempt', () => {
  it('has a row for each technique, and says what happened when', () => {
    const events: StoryEvent[] = [
      { type: 'server', kind: 'rendezvous', server: 'rv:8000', failure: undefined, at: START },
      { type: 'technique', attemptId: 'a', technique: 'direct', outcome: 'started', elapsedMs: 0, at: START + 10 },
      {
        type: 'technique',
        attemptId: 'a',
        technique: 'simultaneous-open',
        outcome: 'started',
        elapsedMs: 0,
        at: START + 20,
      },
      { ...round, step: 'asked', own, at: START + 30 },
      {
        type: 'technique',
        attemptId: 'a',
        technique: 'direct',
        outcome: 'failed',
        elapsedMs: 90,
        reason: 'no answer',
        at: START + 100,
      },
      {
        ...round,
        step: 'planned',
        own,
        peer: { ...own, ports: [] },
        plan: { syns: 3, delayMs: 40.4, deadlineMs: 1 },
        at: START + 200,
      },
      { type: 'path', technique: 'relay', direct: false, at: START + 250 },
      {
        ...round,
        step: 'over',
        sent: 3,
        refused: 0,
        opened: 1,
        accepted: 0,
        elapsedMs: 9,
        reasons: [],
        at: START + 300,
      },
    ];
    expect(storyOf(events)).toEqual({
      lengthMs: 300,
      rows: [
        { name: 'servers', bars: [], marks: [{ atMs: 0, isBad: false, words: 'rendezvous server rv:8000 answers' }] },
        {
          name: 'direct',
          bars: [{ fromMs: 10, toMs: 100, outcome: 'failed', words: 'direct failed: no answer' }],
          marks: [],
        },
        {
          name: 'simultaneous-open',
          bars: [{ fromMs: 20, toMs: 300, outcome: 'unfinished', words: 'simultaneous-open goes on' }],
          marks: [
            { atMs: 30, isBad: false, words: 'round 1, asked by this node: this side has ports 4000' },
            {
              atMs: 200,
              isBad: false,
              words: 'round 1, asked by this node: 3 SYNs after 40 ms, to ports that nobody can predict of 45.45.1.7',
            },
            { atMs: 300, isBad: false, words: 'round 1, asked by this node: 3 SYNs sent, 0 refused, 1 opened' },
          ],
        },
        {
          name: 'the connection',
          bars: [],
          marks: [{ atMs: 250, isBad: false, words: 'lines go by relay (relayed)' }],
        },
      ],
    });
  });

  it('may be empty', () => {
    expect(storyOf([])).toEqual({ lengthMs: 1, rows: [] });
  });
});
