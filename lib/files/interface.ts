/** A file, a folder or a symbolic link that is offered. */
export interface OfferedEntry {
  /** Relative, with `/` between its names, on every system. It is the sender's word: show it only by way of `clean`. */
  readonly path: string;
  /** What it is. */
  readonly kind: 'file' | 'folder' | 'link';
  /** In bytes; 0 for what is no file. */
  readonly size: number;
  /** The permissions, as in `0o644`; nothing but them. */
  readonly mode: number;
  /** When it was changed last, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Where a link leads. */
  readonly target?: string | undefined;
}

/** What a sender offers. */
export interface FilesOffer {
  /** Everything, each folder before what is in it. */
  readonly entries: readonly OfferedEntry[];
  /** How many of them are files. */
  readonly files: number;
  /** How large the files are together, in bytes. */
  readonly bytes: number;
}

/** What the sender offers: the first that both sides tell. */
export interface FilesOffered {
  /** What has happened. */
  readonly type: 'offer';
  /** What is offered. */
  readonly offer: FilesOffer;
}

/** The receiver has accepted, and looks at what it has already. Both sides read that, which takes a while where it is much. */
export interface FilesComparing {
  /** What has happened. */
  readonly type: 'comparing';
  /** How many files the receiver has, as a whole or in part. */
  readonly files: number;
  /** How large they are there, in bytes. */
  readonly bytes: number;
}

/** Contents begin to come. */
export interface FilesStarted {
  /** What has happened. */
  readonly type: 'started';
  /** How many files will come. */
  readonly files: number;
  /** How many bytes of them. */
  readonly bytes: number;
  /** How many files are there already, and the same. */
  readonly unchanged: number;
}

/** How far it is: ten times a second at most. */
export interface FilesProgress {
  /** What has happened. */
  readonly type: 'progress';
  /** The file that it is at. */
  readonly path: string;
  /** How many files have been sent, or received. */
  readonly files: number;
  /** How many bytes have. */
  readonly bytes: number;
}

/** What has become of a file, on the receiver's side; on the sender's, of one that could not be sent. */
export interface FileDone {
  /** What has happened. */
  readonly type: 'file';
  /** Its path in the offer. */
  readonly path: string;
  /** `received`: it is there under its name, verified. `unchanged`: it was there before. `skipped`: another is there, as the options say. */
  readonly outcome: 'received' | 'unchanged' | 'skipped' | 'failed';
  /** The name that it has, where that is another. */
  readonly as?: string | undefined;
  /** Why it has failed, in words. */
  readonly reason?: string | undefined;
}

/** It is over, and both sides know: the last. */
export interface FilesDone {
  /** What has happened. */
  readonly type: 'done';
  /** How many files have been received. */
  readonly files: number;
  /** How many were there already. */
  readonly unchanged: number;
  /** How many were left as they are, since another is there by their name. */
  readonly skipped: number;
  /** How many have failed. */
  readonly failed: number;
}

/** What a transfer tells. */
export type FilesStep = FilesOffered | FilesComparing | FilesStarted | FilesProgress | FileDone | FilesDone;

/** How to send files. */
export interface SendFilesOptions {
  /** What becomes of symbolic links: `refuse` fails at the first (the default), `keep` sends them as links. They are never followed. */
  readonly links?: 'refuse' | 'keep' | undefined;
  /** Whether to compress what gets smaller by it, while the connection is slower than compressing. Default: true. */
  readonly compress?: boolean | undefined;
}

/** How to receive files. */
export interface ReceiveFilesOptions {
  /** The folder to write to; it is made where there is none. Nothing is written elsewhere. */
  readonly into: string;
  /**
   * Whether to take what is offered; with `false`, the sender is told so. The signal is aborted when the transfer has ended meanwhile. Default:
   * everything is taken.
   */
  readonly accept?: ((offer: FilesOffer, signal: AbortSignal) => boolean | Promise<boolean>) | undefined;
  /**
   * What happens where another file has the name of one that is offered, with other content: `refuse` refuses the whole offer (the
   * default), `rename` gives the new one another name, `replace` puts it in the place of the old one, `skip` keeps the old one.
   */
  readonly existing?: 'refuse' | 'rename' | 'replace' | 'skip' | undefined;
}
