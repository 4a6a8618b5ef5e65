import type { Channel } from '../connection/connection.js';
import { ProtocolError } from '../errors.js';
import { hashed } from './compare.js';
import { isAsOffered, sendContents, type KnownBeginning, type Plan } from './contents-out.js';
import { greeted, type Conversation } from './conversation.js';
import { FILES_FRAME } from './frames.js';
import type { FilesStep, OfferedEntry, SendFilesOptions } from './interface.js';
import { decodeLengths, decodeOutcome, decodePlan, encodeEntries, encodeNumbered } from './messages.js';
import type { Work } from './transfer.js';
import { expectNames } from '../validate.js';
import { walk, type Source } from './walk.js';
import { FrameChannel } from './wire.js';

/** Entries are gathered until their paths are so long, in characters: JSON makes six bytes of each at most, and the last has 8 Ki at most. */
const PATHS_A_FRAME = 16_384;

/** Entries in a frame. */
const ENTRIES_A_FRAME = 500;

/** Sends files on a channel: what `sendFiles$` does once it is loaded. */
export async function send(
  channel: Channel,
  paths: readonly string[],
  options: SendFilesOptions,
  ...[tell, signal]: Parameters<Work>
): Promise<void> {
  expectNames('options', options, ['links', 'compress']);
  const { links = 'refuse', compress = true } = options;
  const frames = new FrameChannel(channel, compress);
  const sources = await walk(paths, links, signal);
  const conversation = await greeted(frames, 'sender');
  await offer(frames, sources);
  const files = sources.filter(({ entry }) => entry.kind === 'file');
  const bytes = files.reduce((sum, { entry }) => sum + entry.size, 0);
  tell({ type: 'offer', offer: { entries: sources.map(({ entry }) => entry), files: files.length, bytes } });
  const { plan, known } = await planned(frames, conversation, sources, tell, signal);
  tell({ type: 'started', ...sumOf(sources, plan) });
  await sendContents({ frames, sources, plan, known, tell, signal });
  await frames.send(FILES_FRAME.sent);
  const outcome = decodeOutcome((await conversation.next(FILES_FRAME.done)).payload);
  tell({ type: 'done', ...outcome });
  await frames.closed();
}

async function offer(frames: FrameChannel, sources: readonly Source[]): Promise<void> {
  let batch: OfferedEntry[] = [];
  let length = 0;
  const flush = async () => {
    await frames.send(FILES_FRAME.offer, encodeEntries(batch));
    batch = [];
    length = 0;
  };
  for (const { entry } of sources) {
    batch.push(entry);
    length += entry.path.length + (entry.target?.length ?? 0);
    if (length > PATHS_A_FRAME || batch.length >= ENTRIES_A_FRAME) await flush();
  }
  if (batch.length > 0) await flush();
  await frames.send(FILES_FRAME.offered);
}

/** What the receiver wants, and what was hashed here meanwhile. */
interface Planned {
  readonly plan: Plan;
  /** The digests of what the receiver has of a file. */
  readonly known: ReadonlyMap<number, KnownBeginning>;
}

/** Answers what the receiver asks of files that it has, until it has said what it wants. */
async function planned(
  frames: FrameChannel,
  conversation: Conversation,
  sources: readonly Source[],
  tell: (step: FilesStep) => void,
  signal: AbortSignal,
): Promise<Planned> {
  const plan = new Map<number, number | undefined>();
  const known = new Map<number, KnownBeginning>();
  const asked = new Set<number>();
  let bytes = 0;
  for (;;) {
    const { type, payload } = await conversation.next(FILES_FRAME.compare, FILES_FRAME.plan, FILES_FRAME.go);
    if (type === FILES_FRAME.go) return { plan, known };
    if (type === FILES_FRAME.plan) {
      for (const [index, from] of decodePlan(payload)) {
        fileAt(sources, index);
        // What comes before has been compared.
        const isKnown = from === undefined || from === 0 || known.get(index)?.length === from;
        if (plan.has(index) || !isKnown) throw new ProtocolError('Expected a plan for each file, got two');
        plan.set(index, from);
      }
      continue;
    }
    const answers: [number, string | null][] = [];
    for (const [index, length] of decodeLengths(payload)) {
      const { entry, source } = fileAt(sources, index);
      // Each file is read once, however often a peer asks.
      if (asked.has(index) || length > entry.size)
        throw new ProtocolError('Expected to be asked for each file once, got more');
      asked.add(index);
      bytes += length;
      tell({ type: 'comparing', files: asked.size, bytes });
      const found = await hashed(source, length, (stats) => isAsOffered(stats, entry), signal);
      if (found?.pieces !== undefined) known.set(index, { length, digests: found.pieces });
      answers.push([index, found?.digest ?? null]);
    }
    await frames.send(FILES_FRAME.digests, encodeNumbered(answers));
  }
}

function fileAt(sources: readonly Source[], index: number): Source {
  const found = sources[index];
  if (found?.entry.kind !== 'file')
    throw new ProtocolError('Expected the number of a file that was offered, got another');
  return found;
}

function sumOf(sources: readonly Source[], plan: Plan): { files: number; bytes: number; unchanged: number } {
  const sum = { files: 0, bytes: 0, unchanged: 0 };
  for (const [index, { entry }] of sources.entries()) {
    if (entry.kind !== 'file') continue;
    if (plan.has(index) && plan.get(index) === undefined) sum.unchanged++;
    else {
      sum.files++;
      sum.bytes += entry.size - (plan.get(index) ?? 0);
    }
  }
  return sum;
}
