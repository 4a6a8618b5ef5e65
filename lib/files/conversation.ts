import { ClosedError, ProtocolError } from '../errors.js';
import { FILES_FRAME, type FilesFrame, type FilesFrameType } from './frames.js';
import { encodeRole, expectRole, type Role } from './messages.js';
import type { FrameChannel } from './wire.js';

const NAMES = new Map<number, string>(Object.entries(FILES_FRAME).map(([name, type]) => [type, name]));

/** What the peer says, frame by frame, as it is expected. */
export class Conversation {
  readonly #frames: AsyncGenerator<FilesFrame, undefined>;

  constructor(frames: AsyncGenerator<FilesFrame, undefined>) {
    this.#frames = frames;
  }

  /**
   * The next frame, which has to be one of some types.
   *
   * @throws ProtocolError when it is another; ClosedError when there is none.
   */
  async next(...types: readonly FilesFrameType[]): Promise<FilesFrame> {
    const { value: frame } = await this.#frames.next();
    if (frame === undefined) throw new ClosedError('the peer has left before the end');
    if (types.includes(frame.type)) return frame;
    const expected = types.map((type) => NAMES.get(type)).join(' or ');
    throw new ProtocolError(
      `Expected a frame of type ${expected} in a transfer of files, got ${NAMES.get(frame.type) ?? ''}`,
    );
  }
}

/**
 * Says who this side is, and hears who the peer is.
 *
 * @throws ProtocolError when both do the same.
 */
export async function greeted(frames: FrameChannel, role: Role): Promise<Conversation> {
  await frames.send(FILES_FRAME.hello, encodeRole(role));
  const conversation = new Conversation(frames.frames());
  expectRole((await conversation.next(FILES_FRAME.hello)).payload, role === 'sender' ? 'receiver' : 'sender');
  return conversation;
}
