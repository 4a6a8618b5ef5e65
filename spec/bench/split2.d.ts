declare module 'split2' {
  import type { Transform } from 'node:stream';

  /** A stream that takes bytes and emits lines. */
  export default function split2(): Transform;
}
