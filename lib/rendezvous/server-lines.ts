import type { Observable } from 'rxjs';

/** Lines to a server and from it, whatever carries them. */
export interface ServerLines {
  /**
   * The received lines. The first subscription starts reading; lines that come while nobody is subscribed are dropped. Never completes.
   *
   * @throws ClosedError when the connection ends, and others when what comes is no line. A subscription after that fails in the same way.
   */
  readonly line$: Observable<string>;
  /**
   * Sends a line. Does nothing once the connection has ended.
   *
   * @throws InvalidTextError when it is not one line, or is too long.
   */
  send(line: string): void;
  /** Closes the connection. What was sent goes out as far as the system takes it. */
  destroy(): void;
}
