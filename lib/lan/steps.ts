/** What is told of the local network. */
export type LanStep =
  /** The node can be found, and finds others, by one of this machine's addresses. */
  | {
      readonly type: 'lan';
      readonly state: 'joined';
      /** The address that its packets leave from. */
      readonly address: string;
    }
  /** The local network cannot be used by one of this machine's addresses for now; it is tried again. */
  | {
      readonly type: 'lan';
      readonly state: 'failed';
      /** The address that packets were to leave from. */
      readonly address: string;
      /** Why, in words. */
      readonly reason: string;
    };

/** Receives these steps. */
export type LanTrace = (step: LanStep) => void;
