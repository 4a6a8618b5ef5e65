import { noop, timer, type Subscription } from 'rxjs';
import type { FilesProgress, FilesStep } from './interface.js';

/** The shortest time between two reports of progress, in milliseconds: as fast as an eye follows. */
const STEP_MS = 100;

/** Counts what has been sent or received. */
export class Progress {
  readonly #tell: (step: FilesStep) => void;
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
    this.#tell({ type: 'progress', path, files: this.#files, bytes: this.#bytes });
  }
}

/** Passes steps on, and of those of progress the latest now and then, so that what stands still is told as well. */
export class FewerSteps {
  readonly #next: (step: FilesStep) => void;
  #toldAt = -Infinity;
  #latest: FilesProgress | undefined;
  #waiting: Subscription | undefined;

  constructor(next: (step: FilesStep) => void) {
    this.#next = next;
  }

  /** Passes a step on, now or later, or not at all when there is a later one. */
  tell(step: FilesStep): void {
    if (step.type !== 'progress') {
      // There may be thousands of files in a moment.
      if (step.type !== 'file') this.#say();
      this.#next(step);
      return;
    }
    this.#latest = step;
    const left = this.#toldAt + STEP_MS - performance.now();
    if (left <= 0) this.#say();
    else {
      this.#waiting ??= timer(left).subscribe({
        next: () => {
          this.#say();
        },
        error: noop,
      });
    }
  }

  /** Passes nothing more on. */
  close(): void {
    this.#waiting?.unsubscribe();
    this.#waiting = undefined;
    this.#latest = undefined;
  }

  #say(): void {
    const latest = this.#latest;
    this.close();
    if (latest === undefined) return;
    this.#toldAt = performance.now();
    this.#next(latest);
  }
}
