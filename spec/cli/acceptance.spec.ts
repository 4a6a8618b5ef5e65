import { askedOnce } from '../../lib/cli/files/acceptance.js';
import type { FilesOffer, OfferedEntry } from '../../lib/files/interface.js';

const folder: OfferedEntry = { path: 'sent', kind: 'folder', size: 0, mode: 0o755, modifiedMs: 1_000 };
const file: OfferedEntry = { path: 'sent/a', kind: 'file', size: 7, mode: 0o644, modifiedMs: 1_000 };
const link: OfferedEntry = { path: 'sent/l', kind: 'link', size: 0, mode: 0o777, modifiedMs: 1_000, target: 'a' };
const offerOf = (...entries: readonly OfferedEntry[]): FilesOffer => ({ entries, files: 1, bytes: 7 });
const first = offerOf(folder, file, link);

describe('the question whether to take what is offered', () => {
  /** How often each of these offers, one after the other, is asked about, where each answer is the same. */
  const asked = async (answer: boolean, ...offers: readonly FilesOffer[]): Promise<readonly FilesOffer[]> => {
    const questions: FilesOffer[] = [];
    const accept = askedOnce((offer) => {
      questions.push(offer);
      return Promise.resolve(answer);
    });
    for (const offer of offers) expect(await accept(offer, new AbortController().signal)).toBe(answer);
    return questions;
  };

  it('is not asked again when the same transfer begins anew', async () => {
    expect(await asked(true, first, offerOf({ ...folder }, { ...file }, { ...link }))).toEqual([first]);
  });

  it('is asked again about what was not taken', async () => {
    expect(await asked(false, first, first)).toEqual([first, first]);
  });

  it('is asked about another offer of as many files and bytes that begins with the same path', async () => {
    const others = [
      offerOf(folder, { ...file, path: 'sent/b' }, link),
      offerOf(folder, { ...file, mode: 0o755 }, link),
      offerOf(folder, { ...file, modifiedMs: 2_000 }, link),
      offerOf(folder, file, { ...link, target: '/etc' }),
      offerOf(folder, file),
    ];
    for (const other of others) expect(await asked(true, first, other)).toEqual([first, other]);
  });
});
