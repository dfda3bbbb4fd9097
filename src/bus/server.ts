import { spawn, type ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { Failure } from '../errors.ts';
import { clientAuthorities, natsConfig, needsRestart, type ServerSettings, type Topology } from './config.ts';
import { BUS_SERVER_NAME } from './identities.ts';
import { watchLines, type LineWatch } from './lines.ts';

export interface BusServerOptions {
  settings: ServerSettings;
  /** Path of nats-server. */
  binary: string;
  topology: Topology;
  log(line: string): void;
  /** Whether a disk that was full has room again; default: always. */
  roomy?: () => boolean;
}

const READY_MS = 30_000;
const RELOAD_MS = 10_000;
/** For the server to tell another time of loading than before. */
const CONFIRM_MS = 3_000;
const CONFIRM_POLL_MS = 20;
/** Lame duck, then SIGTERM, then SIGKILL: together below the 30 s that Kubernetes gives. */
const LAME_DUCK_MS = 12_000;
const TERM_MS = 5_000;
/** Between looks at a disk that was full. */
const ROOM_POLL_MS = 1_000;
/**
 * What nats-server says when it could not write: `JetStream out of resources`, `out of File resources` or `out of
 * space`, by whose write it was, or that a store or a stream had a critical write error. It writes nothing there from
 * then on, also when there is room again, until it is started anew.
 */
const STARVED = /JetStream out of .*will be DISABLED|critical write error/i;
const BACKOFF_MS = { first: 250, last: 15_000, healthy: 60_000 } as const;

/** Messages that our own configuration provokes on each start or reload, and that say nothing to an operator. */
const NOISE = [
  /user required from cert/,
  /Clients that are not using "TLS Handshake First"/,
  /\[INF\]\s*$/,
  /\[INF\] +[_|\\]/,
  /docs\.nats\.io/,
  /-----/,
];

/**
 * nats-server as a child: started, watched, started again with back-off when it dies, reconfigured, stopped politely.
 * One change at a time: `apply` and `stop` queue.
 */
export class BusServer {
  readonly #options: BusServerOptions;
  #topology: Topology;
  #child: ChildProcess | undefined;
  #output: LineWatch | undefined;
  #stopping = false;
  #backoff: number = BACKOFF_MS.first;
  #startedAt = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #loadedAt: (() => Promise<string | undefined>) | undefined;
  #starved = false;
  /** Times the process has been started. */
  starts = 0;

  constructor(options: BusServerOptions) {
    this.#options = options;
    this.#topology = options.topology;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get topology(): Topology {
    return this.#topology;
  }

  /** The disk was full or could not be written, and the server takes no part in the stream for now. */
  get starved(): boolean {
    return this.#starved;
  }

  /**
   * From now on a reload counts only when the server itself tells another time of loading; undefined where it cannot be
   * asked.
   */
  verifyReloads(loadedAt: () => Promise<string | undefined>): void {
    this.#loadedAt = loadedAt;
  }

  /**
   * Starts the server and resolves when it accepts connections.
   * @throws Failure `bus-start` when it does not come up in 30 s or refuses its configuration.
   */
  start(): Promise<void> {
    return this.#exclusive(async () => {
      await this.#writeConfig(this.#topology);
      await this.#launch();
    });
  }

  /**
   * Takes a new topology: reload where that is enough, else a restart. A refused configuration leaves the old one
   * running.
   */
  apply(topology: Topology): Promise<void> {
    return this.#exclusive(async () => {
      if (
        this.#stopping ||
        natsConfig(this.#options.settings, topology) === natsConfig(this.#options.settings, this.#topology)
      ) {
        return;
      }
      await this.#writeConfig(topology);
      const restart = needsRestart(this.#topology, topology);
      if (restart) {
        this.#options.log('bus: restarting for a new topology');
        await this.#restart(() => (this.#topology = topology));
      } else {
        this.#topology = topology;
        await this.#reload();
      }
      this.#forgetAuthorities();
    });
  }

  /** Reads certificates and configuration anew. */
  refresh(): Promise<void> {
    return this.#exclusive(async () => {
      if (!this.#stopping) {
        await this.#reload();
      }
    });
  }

  /** Stops politely: lame duck (leaders step down, clients move on), then SIGTERM, then SIGKILL. */
  stop(): Promise<void> {
    this.#stopping = true;
    return this.#exclusive(() => this.#end());
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#queue.then(work);
    this.#queue = run.catch(() => undefined);
    return run;
  }

  get #configFile(): string {
    return join(this.#options.settings.stateDir, 'nats.conf');
  }

  async #writeConfig(topology: Topology): Promise<void> {
    this.#checkCertificate();
    mkdirSync(this.#options.settings.stateDir, { recursive: true, mode: 0o700 });
    const clients = this.#clientAuthorities(topology);
    if (clients !== undefined) {
      writeFileSync(clients.file, clients.pem, { mode: 0o600 });
    }
    const next = `${this.#configFile}.next`;
    writeFileSync(next, natsConfig(this.#options.settings, topology), { mode: 0o600 });
    const check = await execa(this.#options.binary, ['-t', '-c', next], { reject: false, all: true });
    if (check.exitCode !== 0) {
      throw new Failure(
        'bus-config',
        `nats-server refuses its configuration: ${check.all.trim() || check.shortMessage}.`,
        { host: this.#options.settings.node },
      );
    }
    renameSync(next, this.#configFile);
  }

  #clientAuthorities(topology: Topology): ReturnType<typeof clientAuthorities> {
    const { settings } = this.#options;
    return clientAuthorities(settings, topology, readFileSync(join(settings.tlsDir, 'ca.crt'), 'utf8'));
  }

  /** Lists of authorities that no configuration names any more. */
  #forgetAuthorities(): void {
    const dir = this.#options.settings.stateDir;
    const current = this.#clientAuthorities(this.#topology)?.file;
    for (const name of readdirSync(dir)) {
      if (name.startsWith('clients-ca-') && join(dir, name) !== current) {
        rmSync(join(dir, name), { force: true });
      }
    }
  }

  #checkCertificate(): void {
    const file = join(this.#options.settings.tlsDir, 'server.crt');
    if (new X509Certificate(readFileSync(file)).subjectAltName?.includes(`DNS:${BUS_SERVER_NAME}`) === true) {
      return;
    }
    throw new Failure(
      'bus-certificate',
      `The certificate ${file} does not name ${BUS_SERVER_NAME}, so the bus's other servers would refuse it.`,
      { host: this.#options.settings.node, remedy: 'Renew the certificates of this node.' },
    );
  }

  async #launch(): Promise<void> {
    this.starts += 1;
    this.#starved = false;
    this.#startedAt = Date.now();
    const child = spawn(this.#options.binary, ['-c', this.#configFile], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    let ready = false;
    const failed = new Promise<never>((_, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        reject(new Error(`it ended with ${signal ?? `exit code ${code}`}`));
        if (this.#child !== child) {
          return;
        }
        this.#child = undefined;
        if (ready && !this.#stopping) {
          void this.#revive(signal ?? `exit code ${code}`);
        }
      });
    });
    failed.catch(() => undefined);
    this.#output = watchLines(child.stderr, (line) => {
      if (STARVED.test(line) && this.#child === child) {
        void this.#outlastFullDisk();
      }
      if (!NOISE.some((pattern) => pattern.test(line))) {
        this.#options.log(`nats: ${line.replace(/^\[\d+\] \S+ \S+ /, '')}`);
      }
    });
    try {
      await Promise.race([this.#output.next(/Server is ready/, READY_MS), failed]);
      ready = true;
    } catch (cause) {
      this.#child = undefined;
      child.kill('SIGKILL');
      throw new Failure('bus-start', `nats-server did not start: ${(cause as Error).message}.`, {
        host: this.#options.settings.node,
        cause,
      });
    }
  }

  async #revive(why: string): Promise<void> {
    while (!this.#stopping) {
      const pause = this.#nextPause();
      this.#options.log(`bus: nats-server ended (${why}), starting again in ${pause} ms`);
      await sleep(pause);
      try {
        await this.#exclusive(async () => {
          if (!this.#stopping && this.#child === undefined) {
            await this.#launch();
          }
        });
        return;
      } catch (error) {
        why = (error as Error).message;
      }
    }
  }

  /** Before another start, ms: longer each time, until a start has held. */
  #nextPause(): number {
    if (Date.now() - this.#startedAt > BACKOFF_MS.healthy) {
      this.#backoff = BACKOFF_MS.first;
    }
    const pause = this.#backoff;
    this.#backoff = Math.min(pause * 2, BACKOFF_MS.last);
    return pause;
  }

  async #outlastFullDisk(): Promise<void> {
    const { roomy = () => true } = this.#options;
    if (this.#starved) {
      return;
    }
    this.#starved = true;
    this.#options.log(
      'bus: nats-server could not write, most likely for a full disk, and has switched the stream off; it is ' +
        'started again when there is room',
    );
    const pause = this.#nextPause();
    const lost = (): boolean => this.#stopping || !this.#starved;
    while (!lost() && !roomy()) {
      await sleep(ROOM_POLL_MS, undefined, { ref: false });
    }
    if (!lost()) {
      await sleep(pause);
    }
    // What it comes to is logged by the revival.
    await this.#exclusive(async () => (lost() ? undefined : this.#restart())).catch(() => undefined);
  }

  /** One that does not come up is started again and again. @throws what the first start threw */
  async #restart(between: () => void = () => undefined): Promise<void> {
    await this.#end();
    between();
    try {
      await this.#launch();
    } catch (error) {
      void this.#revive((error as Error).message);
      throw error;
    }
  }

  async #reload(): Promise<void> {
    const child = this.#child;
    // Dead at this moment: the revival takes the new file.
    if (child === undefined || this.#output === undefined) {
      return;
    }
    const before = await this.#loadedAt?.();
    const answer = this.#output.next(/Reloaded server configuration|Failed to reload server configuration/, RELOAD_MS);
    child.kill('SIGHUP');
    const line = await answer.catch((error: Error) => error.message);
    if (line.includes('Reloaded server configuration')) {
      if (before === undefined || (await this.#loadedSince(before))) {
        return;
      }
      this.#options.log('bus: nats-server says that it has reloaded, but not when');
    }
    this.#options.log(`bus: reload failed, restarting: ${line}`);
    await this.#restart();
  }

  /** It writes its log a moment before it is done. */
  async #loadedSince(before: string): Promise<boolean> {
    for (const end = Date.now() + CONFIRM_MS; Date.now() < end; await sleep(CONFIRM_POLL_MS)) {
      if ((await this.#loadedAt?.()) !== before) {
        return true;
      }
    }
    return false;
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (child === undefined) {
      return;
    }
    // Set first, so that its exit counts as wanted.
    this.#child = undefined;
    if (child.exitCode !== null || child.signalCode !== null) {
      return;
    }
    const ended = once(child, 'exit');
    const steps: [NodeJS.Signals, number][] = [
      ...(this.#topology.servers.length > 1 ? [['SIGUSR2', LAME_DUCK_MS] as [NodeJS.Signals, number]] : []),
      ['SIGTERM', TERM_MS],
    ];
    for (const [signal, ms] of steps) {
      child.kill(signal);
      if (await Promise.race([ended.then(() => true), sleep(ms, false, { ref: false })])) {
        return;
      }
    }
    child.kill('SIGKILL');
    await ended;
  }
}
