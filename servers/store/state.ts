/** Whether a store can write, and if not, why. */
export type StorageState =
  | {
      /** It takes what is to be kept. */
      readonly isWritable: true;
    }
  | {
      /** It does not, and tries again by itself. */
      readonly isWritable: false;
      /** Why, in words. */
      readonly reason: string;
    };
