import { randomBytes } from 'node:crypto';
import { Failure } from '../../src/errors.ts';
import { SYSTEM_PATH } from '../system-path.ts';
import { quoteAll } from './quote.ts';

/** A program wrapped so that neither the login shell's settings nor its chatter matter. */
export interface Envelope {
  argv: string[];
  marker: string;
}

/**
 * The inner shell sets umask and PATH and prints a random marker and its process id on both streams right before the
 * program starts:
 * everything before it (banners, what a .bashrc says, sudo's remarks) is not the program's.
 */
export function envelope(argv: string[], sudo: boolean): Envelope {
  const marker = `terrarium-${randomBytes(12).toString('hex')}`;
  const inner = [
    '/bin/sh',
    '-c',
    `umask 022; cd /; PATH=${SYSTEM_PATH}; LC_ALL=C; export PATH LC_ALL; echo ${marker} $$; echo ${marker} $$ >&2; ` +
      'exec "$@"',
    'sh',
    ...argv,
  ];
  if (!sudo) {
    return { argv: inner, marker };
  }
  return { argv: ['/bin/sh', '-c', `PATH=${SYSTEM_PATH}; export PATH; exec sudo -n -- "$@"`, 'sh', ...inner], marker };
}

export function loginCommand(wrapped: Envelope): string {
  return quoteAll(wrapped.argv);
}

/** Collects one stream, handing on only what comes after the marker. */
export class MarkedStream {
  readonly marker: Buffer;
  before: Buffer = Buffer.alloc(0);
  started = false;
  /** Of the program, once it has started. */
  pid: number | undefined;
  readonly chunks: Buffer[] = [];
  readonly onChunk: ((chunk: Buffer) => void) | undefined;

  constructor(marker: string, onChunk: ((chunk: Buffer) => void) | undefined) {
    this.marker = Buffer.from(`${marker} `);
    this.onChunk = onChunk;
  }

  push(chunk: Buffer): void {
    if (this.started) {
      this.chunks.push(chunk);
      this.onChunk?.(chunk);
      return;
    }
    this.before = Buffer.concat([this.before, chunk]);
    const at = this.before.indexOf(this.marker);
    const end = at === -1 ? -1 : this.before.indexOf(10, at);
    if (end === -1) {
      return;
    }
    this.started = true;
    this.pid = Number(this.before.subarray(at + this.marker.length, end).toString());
    const rest = this.before.subarray(end + 1);
    this.before = this.before.subarray(0, at);
    if (rest.length > 0) {
      this.push(rest);
    }
  }

  text(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }
}

/** Why the program never started, from what the login shell or sudo said instead. */
export function notStarted(
  host: string,
  user: string,
  sudo: boolean,
  stdout: MarkedStream,
  stderr: MarkedStream,
): Failure {
  const said = `${stderr.before.toString('utf8')}\n${stdout.before.toString('utf8')}`.trim();
  const lastLine =
    said
      .split('\n')
      .filter((l) => l.trim() !== '')
      .at(-1)
      ?.trim() ?? 'nothing';
  const sudoLine = said.split('\n').find((l) => l.startsWith('sudo:'));
  if (sudo && /sudo: not found|sudo: command not found/.test(said)) {
    return new Failure('no-sudo', `${host}: the login ${user} is not root and there is no sudo.`, {
      host,
      remedy: 'Install sudo there, or log in as root.',
    });
  }
  if (sudo && /tty/.test(sudoLine ?? '')) {
    return new Failure('sudo-refused', `${host}: sudo refuses to work without a terminal (${sudoLine}).`, {
      host,
      remedy: `Add the line "Defaults:${user} !requiretty" to /etc/sudoers.d/terrarium there.`,
    });
  }
  if (sudo && (sudoLine !== undefined || /not in the sudoers|not allowed/.test(said))) {
    return new Failure(
      'sudo-refused',
      `${host}: sudo does not let ${user} become root without a password (${sudoLine ?? lastLine}).`,
      {
        host,
        remedy: `Add the line "${user} ALL=(ALL) NOPASSWD: ALL" to /etc/sudoers.d/terrarium there, or log in as root.`,
      },
    );
  }
  return new Failure(
    'login-shell',
    `${host}: the login of ${user} runs no programs; it said: ${lastLine.slice(0, 200)}.`,
    {
      host,
      remedy: 'Use a login with an ordinary shell and without a forced command (see authorized_keys and sshd_config).',
    },
  );
}
