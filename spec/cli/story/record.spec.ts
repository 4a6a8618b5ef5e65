import { readFileSync } from 'node:fs';
import { NEVER, of } from 'rxjs';
import { reportFile, StoryRecord } from '../../../lib/cli/story/record.js';
import type { StoryEvent } from '../../../lib/cli/story/story.js';
import { temporaryFolder } from '../../support/folder.js';

const dropped = (at: number): StoryEvent => ({ type: 'fault', reason: `fault ${at}`, at });

describe('The record of what a net does', () => {
  const path = temporaryFolder();
  const config = { title: 'rxp2p ping', version: '1.2.3', report: () => undefined, now: () => 1_700_000_000_000 };

  it('keeps the beginning and the end of what is long, and counts what it leaves out', () => {
    const record = new StoryRecord();
    for (let at = 0; at < 12_000; at++) record.add(dropped(at));
    const { events, leftOut } = record.take();
    expect([events.length, leftOut]).toEqual([10_000, 2_000]);
    expect([0, 1_999, 2_000, 9_999].map((index) => events[index]?.at)).toEqual([0, 1_999, 4_000, 11_999]);
  });

  it('becomes a page, with the ways of a connection and what the command tells', () => {
    const file = path('ping.html');
    const story = reportFile(file, { trace$: of({ type: 'fault', reason: 'a fault', at: 1_700_000_000_000 }) }, config);
    const [local, remote] = [1, 2].map((port) => ({ address: '127.0.0.1', port }));
    if (local !== undefined && remote !== undefined)
      story.follow({ path$: of({ technique: 'relay', direct: false, local, remote, roundTripMs: 1 }) });
    story.tell({ type: 'pong', words: 'answer 1 after 2.0 ms' });
    story.write('1 of 1 answered', ['the network in words']);
    const page = readFileSync(file, 'utf8');
    for (const words of ['a fault', 'lines go by relay', 'answer 1 after', '1 of 1 answered', 'the network in words'])
      expect(page).toContain(words);
    expect(page).toContain('Save all 3 steps');
  });

  it('is nothing where no file is named, and says where it cannot be written', () => {
    const none = reportFile(undefined, { trace$: NEVER }, config);
    none.tell({ type: 'pong', words: '' });
    none.write('');
    const told: unknown[] = [];
    const story = reportFile(
      path('no/such/folder'),
      { trace$: NEVER },
      { ...config, report: (event) => told.push(event) },
    );
    story.write('');
    expect(told).toEqual(['error']);
  });
});
