import type { Readable } from 'node:stream';

export interface RunOptions {
  /** Written to the program's stdin, which is then closed; without it stdin is empty. */
  input?: Buffer | string | Readable | undefined;
  /** Run as root (default true): directly where the login is root, by `sudo -n` otherwise. */
  sudo?: boolean;
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
  onStdout?: (chunk: Buffer) => void;
  onStderr?: (chunk: Buffer) => void;
}

export interface RunResult {
  /** 128 + signal number where a signal ended the program. */
  exitCode: number;
  /** UTF-8; also filled when `onStdout` is given. */
  stdout: string;
  stderr: string;
}

export interface UploadOptions {
  /** Unix mode of the file at the far end; default 0644. */
  mode?: number;
  /** First byte of the local file to send, default 0. */
  start?: number;
  /** One past the last byte to send, default the file's size. */
  end?: number;
  /** Hex; saves reading the file twice when it is known. */
  sha256?: string;
  signal?: AbortSignal | undefined;
  /** Bytes sent so far and in all. */
  onProgress?: (sent: number, total: number) => void;
}

/** A machine on which programs can be run as root: this one, or one reached over ssh. */
export interface Host {
  /** For messages: its name in cluster.yaml where it has one, else its address. */
  readonly name: string;
  /** The address by which the other nodes reach it. */
  readonly address: string;
  /** Milliseconds from the TCP connection over ssh until its first session was open; undefined without ssh. */
  readonly loginMs?: number | undefined;
  /**
   * Runs a program with PATH, umask 022 and LC_ALL=C set, whatever the login shell does. A non-zero exit code is a
   * result, not an error.
   * @throws Failure `sudo-refused`, `login-shell`, `connection-lost`, `timeout`, or the signal's reason.
   */
  run(argv: string[], options?: RunOptions): Promise<RunResult>;
  /**
   * Puts a local file (or a range of it) there, atomically; its folder must exist.
   * @throws Failure `upload-failed` when the bytes at the far end differ or do not fit.
   */
  upload(localPath: string, remotePath: string, options?: UploadOptions): Promise<void>;
  close(): Promise<void>;
}
