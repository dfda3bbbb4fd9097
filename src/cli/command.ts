import type { Command } from 'commander';

/** Everything a command may touch of the outside, passed in so that commands can be tested. */
export interface Io {
  stdout: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  stderr: NodeJS.WritableStream;
  stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  env: NodeJS.ProcessEnv;
  /** Aborted on the first SIGINT, SIGTERM or SIGHUP. */
  signal: AbortSignal;
}

/**
 * One file below commands/ each; the file's name is the command's (`lab/up.ts` is `terrarium lab up`).
 * Only light imports at the top of such a file: what is heavy is imported inside the action.
 */
export interface CommandModule {
  /** One line for `terrarium --help`. */
  summary: string;
  /** Heading below which `--help` lists it; a command without one is internal and not listed. */
  group?: 'Set up' | 'Use' | 'Operate' | 'Vendor' | 'Lab';
  /**
   * Declares arguments and options on `cmd` and sets `.action(...)`. An action throws Failure, or sets
   * process.exitCode.
   */
  configure(cmd: Command, io: Io): void;
}
