import type { FilesStep } from './interface.js';

/** The shortest time between two reports, in milliseconds: as fast as an eye follows. */
const STEP_MS = 100;

/** Counts what has been sent or received, and tells it now and then. */
export class Progress {
  readonly #tell: (step: FilesStep) => void;
  #toldAt = -Infinity;
  #files = 0;
  #bytes = 0;

  constructor(tell: (step: FilesStep) => void) {
    this.#tell = tell;
  }

  /** Bytes of a file have passed. */
  bytes(path: string, bytes: number): void {
    this.#bytes += bytes;
    this.#say(path);
  }

  /** A file is over. */
  file(path: string): void {
    this.#files++;
    this.#say(path);
  }

  #say(path: string): void {
    const now = performance.now();
    if (now - this.#toldAt < STEP_MS) return;
    this.#toldAt = now;
    this.#tell({ type: 'progress', path, files: this.#files, bytes: this.#bytes });
  }
}
