import type { PeerId } from '../identity.js';

/** What is traced of a room. */
export type RoomStep = {
  /** What it is about. */
  readonly type: 'room';
  /** The name of the room. */
  readonly room: string;
  /** The neighbour. */
  readonly peerId: PeerId;
} & (
  | {
      /** `up`: the peer has become a neighbour. `down`: it is none any more. `dialled`: it is being connected to. `failed`: that did not succeed. */
      readonly step: 'up' | 'down' | 'dialled' | 'failed';
    }
  | {
      /** A neighbour has sent a message of a member, in full. */
      readonly step: 'received';
      /** Names the message. */
      readonly id: string;
      /** By how many hops it has come. */
      readonly hops: number;
      /** Whether it had been here before. */
      readonly isCopy: boolean;
    }
);

/** Receives these steps. */
export type RoomTrace = (step: RoomStep) => void;
