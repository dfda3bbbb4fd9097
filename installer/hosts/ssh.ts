import { performance } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import type { Client, ClientChannel } from 'ssh2';
import { EXIT, Failure } from '../../src/errors.ts';
import type { SshTarget } from '../cluster/spec.ts';
import { MarkedStream, envelope, loginCommand, notStarted } from './envelope.ts';
import type { Host, RunOptions, RunResult } from './host.ts';
import { login, type LoginOptions } from './ssh-login.ts';
import { upload } from './upload.ts';

const SIGNALS: Record<string, number> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ABRT: 6,
  KILL: 9,
  SEGV: 11,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
};

const OPEN_ATTEMPTS = 60;
/** How long an aborted program may take to end before it is left to itself. */
const KILL_MS = 3000;

/** Opens one ssh connection and shows it as a Host; every program gets a channel of it. */
export async function openSsh(name: string, address: string, ssh: SshTarget, options: LoginOptions): Promise<Host> {
  const { client, ms } = await login(name, ssh, options);
  const connection = new Connection(client, name, ssh, ms);
  const host: Host = {
    name,
    address,
    get loginMs() {
      return Math.round(connection.loginMs);
    },
    run: (argv, runOptions) => connection.run(argv, runOptions),
    upload: (localPath, remotePath, uploadOptions) => upload(host, localPath, remotePath, uploadOptions),
    close: () => connection.close(),
  };
  return host;
}

interface Session {
  channel: ClientChannel;
  exitCode: number | undefined;
}

/** Listens at once: a quick program's exit code comes in the same packet as the answer that it was started. */
function watched(channel: ClientChannel): Session {
  const session: Session = { channel, exitCode: undefined };
  channel.on('exit', (code: number | null, signal?: string) => {
    session.exitCode = code ?? 128 + (SIGNALS[(signal ?? '').replace(/^SIG/, '')] ?? 0);
  });
  return session;
}

function tooLong(host: string, argv: string[], timeoutMs: number): Failure {
  return new Failure('timeout', `${host}: ${argv[0]} did not end within ${timeoutMs / 1000} s.`, {
    host,
    remedy: 'Run the same command again.',
  });
}

function withoutResult(host: string, argv: string[]): Failure {
  return new Failure('connection-lost', `${host} ended the session of ${argv[0]} without a result.`, {
    host,
    remedy: 'Run the same command again.',
    exitCode: EXIT.unreachable,
  });
}

class Connection {
  readonly client: Client;
  readonly name: string;
  readonly ssh: SshTarget;
  lost: Failure | undefined;
  closing = false;
  readonly pending = new Set<(failure: Failure) => void>();
  /** Resolved whenever a channel closes: sshd may allow only a few at once (MaxSessions). */
  active = 0;
  waiters: (() => void)[] = [];

  /** With the first session, where PAM opens its own: both wait for a slow DNS or directory server. */
  loginMs: number;
  opened = false;

  constructor(client: Client, name: string, ssh: SshTarget, loginMs: number) {
    this.loginMs = loginMs;
    this.client = client;
    this.name = name;
    this.ssh = ssh;
    let cause = 'it closed the connection';
    client.on('error', (error) => {
      cause = /keepalive/i.test(error.message) ? 'no answer for 30 s' : error.message;
    });
    client.on('close', () => {
      this.lost = new Failure('connection-lost', `The ssh connection to ${name} was lost: ${cause}.`, {
        host: name,
        remedy: 'Check that the machine is up, then run the same command again.',
        exitCode: EXIT.unreachable,
      });
      for (const reject of this.pending) {
        reject(this.lost);
      }
      this.pending.clear();
      for (const wake of this.waiters.splice(0)) {
        wake();
      }
    });
  }

  async run(argv: string[], options: RunOptions = {}): Promise<RunResult> {
    const sudo = (options.sudo ?? true) && this.ssh.user !== 'root';
    const wrapped = envelope(argv, sudo);
    options.signal?.throwIfAborted();
    const session = await this.open(loginCommand(wrapped));
    this.active += 1;
    try {
      return await this.follow(session, argv, wrapped.marker, sudo, options);
    } finally {
      this.active -= 1;
      for (const wake of this.waiters.splice(0)) {
        wake();
      }
    }
  }

  async open(command: string): Promise<Session> {
    let attempt = 0;
    for (;;) {
      if (this.lost !== undefined) {
        throw this.lost;
      }
      const from = performance.now();
      const result = await this.tryOpen(command);
      if (!this.opened) {
        this.loginMs += performance.now() - from;
      }
      this.opened = true;
      if (!(result instanceof Error)) {
        return result;
      }
      attempt += 1;
      // sshd counts a session for a moment longer than its channel lives.
      if (this.active === 0 && attempt < OPEN_ATTEMPTS && /open fail/i.test(result.message)) {
        await setTimeout(50);
        continue;
      }
      if (this.active === 0 || !/open fail/i.test(result.message)) {
        throw new Failure('ssh-session', `${this.name}: ssh opens no session: ${result.message}.`, {
          host: this.name,
          remedy: 'Check MaxSessions in sshd_config there.',
          exitCode: EXIT.unreachable,
        });
      }
      await new Promise<void>((wake) => this.waiters.push(wake));
    }
  }

  tryOpen(command: string): Promise<Session | Error> {
    return new Promise((resolve, reject) => {
      this.pending.add(reject);
      const settle = (value: Session | Error): void => {
        this.pending.delete(reject);
        resolve(value);
      };
      try {
        this.client.exec(command, (error, channel) => settle(error ?? watched(channel)));
      } catch (error) {
        settle(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  follow(session: Session, argv: string[], marker: string, sudo: boolean, options: RunOptions): Promise<RunResult> {
    const { channel } = session;
    const stdout = new MarkedStream(marker, options.onStdout);
    const stderr = new MarkedStream(marker, options.onStderr);
    return new Promise<RunResult>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      let failure: Error | undefined;
      let killing = false;
      // Its process id is known only once it has started; its session is taken until it has ended.
      const end = (): void => {
        if (failure === undefined || killing || stdout.pid === undefined || this.lost !== undefined) {
          return;
        }
        killing = true;
        void this.kill(stdout.pid, sudo).then(() => channel.close());
      };
      const cleanUp = (): void => {
        clearTimeout(timer);
        this.pending.delete(fail);
        options.signal?.removeEventListener('abort', onAbort);
      };
      const fail = (error: unknown): void => {
        cleanUp();
        failure = error instanceof Error ? error : new Error(String(error));
        if (this.lost !== undefined) {
          return void reject(failure);
        }
        globalThis.setTimeout(reject, KILL_MS, failure).unref();
        end();
      };
      const onAbort = (): void => fail(options.signal?.reason);
      this.pending.add(fail);
      options.signal?.addEventListener('abort', onAbort);
      const { timeoutMs } = options;
      if (timeoutMs !== undefined) {
        timer = globalThis.setTimeout(() => fail(tooLong(this.name, argv, timeoutMs)), timeoutMs);
      }
      channel.on('data', (chunk: Buffer) => {
        stdout.push(chunk);
        end();
      });
      channel.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
      channel.on('close', () => {
        const { exitCode } = session;
        cleanUp();
        if (failure !== undefined) {
          return void reject(failure);
        }
        if (this.lost !== undefined || exitCode === undefined) {
          // The connection's own close event follows and knows the cause; this is for a channel killed alone.
          setImmediate(() => reject(this.lost ?? withoutResult(this.name, argv)));
          return;
        }
        if (!stdout.started) {
          reject(notStarted(this.name, this.ssh.user, sudo, stdout, stderr));
        } else {
          resolve({ exitCode, stdout: stdout.text(), stderr: stderr.text() });
        }
      });
      // A program may end without reading all its input.
      channel.on('error', () => undefined);
      if (options.input instanceof Readable) {
        options.input.on('error', fail);
        options.input.pipe(channel);
      } else {
        channel.end(options.input ?? '');
      }
      if (options.signal?.aborted === true) {
        onAbort();
      }
    });
  }

  /** sshd passes no signals on to a root login's programs, and closing a channel ends none that is silent. */
  async kill(pid: number, sudo: boolean): Promise<void> {
    await this.run(
      [
        'sh',
        '-c',
        'kill -TERM -- "-$(ps -o pgid= -p "$1" | tr -d " ")" 2>/dev/null || kill -TERM "$1"',
        'sh',
        String(pid),
      ],
      { sudo },
    ).catch(() => undefined);
  }

  async close(): Promise<void> {
    if (this.lost !== undefined) {
      return;
    }
    this.closing = true;
    await new Promise<void>((resolve) => {
      this.client.once('close', () => resolve());
      this.client.end();
    });
  }
}
