/** Exit codes of every command; listed in `terrarium help exit-codes` and README. */
export const EXIT = {
  ok: 0,
  /** The operation failed; the message says what to do. Running the same command again resumes. */
  failed: 1,
  /** Bad flags, bad cluster.yaml, bad bundle: nothing was changed anywhere. */
  usage: 2,
  /** A preflight check failed. */
  preflightFailed: 3,
  /** Some of what was asked or named answered, was found or was deleted, and some not. */
  partial: 3,
  /** Preflight passed with warnings (only `terrarium preflight` ends with this). */
  preflightWarnings: 4,
  /** A machine could not be reached or refused the login. */
  unreachable: 5,
  /** Ctrl-C; the operation goes on where it had already been handed to the nodes. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface FailureDetails {
  /** The machine on which it happened, by its name in the cluster. */
  host?: string | undefined;
  /** What the administrator does next, one sentence. */
  remedy?: string | undefined;
  exitCode?: ExitCode;
  cause?: unknown;
}

/**
 * A failure that a user sees: one sentence that says what failed and why, the machine, and the next step.
 * `code` is stable (kebab-case) and meant for programs. Anything else that is thrown is a bug of ours.
 */
export class Failure extends Error {
  override name = 'Failure';
  readonly code: string;
  readonly host: string | undefined;
  readonly remedy: string | undefined;
  readonly exitCode: ExitCode;

  constructor(code: string, message: string, details: FailureDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.host = details.host;
    this.remedy = details.remedy;
    this.exitCode = details.exitCode ?? EXIT.failed;
  }
}

/** The wire form of a failure: executor to coordinator, `--json` events, API. */
export interface FailureData {
  code: string;
  message: string;
  host?: string;
  remedy?: string;
}

/** Turns anything thrown into its wire form; what is not a Failure becomes code `internal`. */
export function failureData(error: unknown): FailureData {
  if (error instanceof Failure) {
    return {
      code: error.code,
      message: error.message,
      ...(error.host === undefined ? {} : { host: error.host }),
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    };
  }
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) };
}

/**
 * The sentence for a terminal: machine, message, remedy. It may quote what others wrote: of control characters it has
 * line ends and tabs only.
 */
export function explain(failure: FailureData): string {
  const where = failure.host !== undefined && !failure.message.includes(failure.host) ? `${failure.host}: ` : '';
  const sentence = `${where}${failure.message}${failure.remedy === undefined ? '' : ` ${failure.remedy}`}`;
  // oxlint-disable-next-line no-control-regex -- control characters are what is taken out
  return sentence.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, ' ');
}

export function isErrno(error: unknown, code: string): error is NodeJS.ErrnoException {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
