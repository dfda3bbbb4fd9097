import { readdirSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../../errors.ts';
import type { Row } from '../../table.ts';
import type { LogLine } from './cri.ts';
import { LogFile, type Position } from './file.ts';

/** Bytes read from one container's files at a time, and from all of them in one second. */
const VISIT_BYTES = 128 * 1024;
const BYTES_PER_S = 1024 * 1024;
/**
 * After something has happened in a folder, it is looked at so much later: what a container writes all the time wakes
 * us once a second.
 */
const SETTLE_MS = 1_000;
const NEW_FOLDER_MS = 100;
/** Where the kernel gives no watch (none is left, or the folder is not there yet). */
const POLL_MS = 10_000;

/** What is kept of all this between two starts. */
export interface LogStore {
  position(file: string): Position | undefined;
  /** Adds rows of `container_logs` and remembers how far they were read; false where neither could be done. */
  save(rows: Row[], file: string, position: Position): boolean;
  /** Forgets files that are no more. */
  keepOnly(exists: (file: string) => boolean): void;
}

export interface TailOptions {
  /** /var/log/pods: NAMESPACE_POD_UID/CONTAINER/RESTART.log */
  root: string;
  store: LogStore;
  /** Older lines are not taken, in milliseconds. */
  maxAgeMs: number;
  now(): number;
  /** Told on each change: why the logs cannot be read, or undefined. */
  state(reason: string | undefined): void;
}

interface Folder {
  path: string;
  visit(): void;
  watcher: FSWatcher | undefined;
  timer: NodeJS.Timeout | undefined;
  children: Map<string, Folder>;
  files: Map<string, { file: LogFile; of: Row }>;
}

/**
 * Follows the log files of all containers. A folder is watched until something happens in it, then left alone for a
 * while and read, so that the cost does not grow with the number of lines written. Files wait to be read; what is not
 * taken in time is skipped.
 */
export class LogTail {
  readonly #options: TailOptions;
  readonly #root: Folder;
  #starting = true;
  #tokens = BYTES_PER_S;
  #refilled: number;
  /** What could not be read, by folder. */
  readonly #problems = new Map<string, string>();
  #reason: string | undefined;
  #stopped = false;

  constructor(options: TailOptions) {
    this.#options = options;
    this.#refilled = options.now();
    this.#root = this.#folder(options.root, () => this.#visitRoot());
  }

  start(): void {
    const live = new Set<string>();
    this.#visit(this.#root);
    this.#starting = false;
    for (const pod of this.#root.children.values()) {
      for (const container of pod.children.values()) {
        for (const path of container.files.keys()) {
          live.add(path);
        }
      }
    }
    if (!this.#problems.has(this.#root.path)) {
      this.#options.store.keepOnly((file) => live.has(file));
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#drop(this.#root, false);
  }

  #folder(path: string, visit: () => void): Folder {
    return { path, visit, watcher: undefined, timer: undefined, children: new Map(), files: new Map() };
  }

  /** @param gone whether its files are no more: what they still hold is read as far as they are open */
  #drop(folder: Folder, gone: boolean): void {
    folder.watcher?.close();
    clearTimeout(folder.timer);
    this.#problems.delete(folder.path);
    for (const child of folder.children.values()) {
      this.#drop(child, gone);
    }
    for (const { file, of } of folder.files.values()) {
      if (gone) {
        this.#read(file, of);
      }
      file.close();
    }
  }

  #later(folder: Folder, ms: number): void {
    if (this.#stopped) {
      return;
    }
    clearTimeout(folder.timer);
    folder.timer = setTimeout(() => this.#visit(folder), ms);
  }

  /** Watches first, then looks: nothing can happen unseen between the two. */
  #visit(folder: Folder): void {
    folder.timer = undefined;
    this.#watch(folder);
    try {
      folder.visit();
      this.#problems.delete(folder.path);
    } catch (error) {
      const isRoot = folder === this.#root;
      // A pod's folder has gone: the one above tells, too.
      if (isErrno(error, 'ENOENT') && !isRoot) {
        return;
      }
      this.#problems.set(
        folder.path,
        isErrno(error, 'ENOENT')
          ? `There is no ${folder.path} here.`
          : `${folder.path} cannot be read: ${(error as Error).message}.`,
      );
      this.#later(folder, POLL_MS);
    }
    this.#say();
  }

  #say(): void {
    const [reason] = this.#problems.values();
    if (reason === this.#reason) {
      return;
    }
    this.#reason = reason;
    this.#options.state(reason);
  }

  #watch(folder: Folder): void {
    if (folder.watcher !== undefined) {
      return;
    }
    const happened = (): void => {
      folder.watcher?.close();
      folder.watcher = undefined;
      if (folder.timer === undefined) {
        this.#later(folder, folder.files.size > 0 ? SETTLE_MS : NEW_FOLDER_MS);
      }
    };
    try {
      folder.watcher = watch(folder.path, { persistent: false }, happened);
      folder.watcher.on('error', happened);
    } catch {
      this.#later(folder, POLL_MS);
    }
  }

  #visitRoot(): void {
    this.#visitFolders(this.#root, /^([^_]+)_(.+)_([0-9a-f-]+)$/, (pod, [, namespace = '', name = '']) => {
      this.#visitFolders(pod, /^[a-z0-9-]+$/, (container, [containerName = '']) =>
        this.#visitContainer(container, { namespace, pod: name, container: containerName }),
      );
    });
  }

  /** Takes up new folders below a folder, and forgets those that have gone. */
  #visitFolders(folder: Folder, pattern: RegExp, visitChild: (child: Folder, match: RegExpExecArray) => void): void {
    const names = new Set(readdirSync(folder.path));
    for (const [name, child] of folder.children) {
      if (names.has(name)) {
        continue;
      }
      this.#drop(child, true);
      folder.children.delete(name);
    }
    for (const name of names) {
      const match = pattern.exec(name);
      if (match === null || folder.children.has(name)) {
        continue;
      }
      const child: Folder = this.#folder(join(folder.path, name), () => visitChild(child, match));
      folder.children.set(name, child);
      this.#visit(child);
    }
  }

  #visitContainer(folder: Folder, of: { namespace: string; pod: string; container: string }): void {
    const names = readdirSync(folder.path)
      .filter((name) => /^\d+\.log$/.test(name))
      .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
    const paths = new Set(names.map((name) => join(folder.path, name)));
    for (const [path, { file, of: source }] of folder.files) {
      if (paths.has(path)) {
        continue;
      }
      this.#read(file, source);
      file.close();
      folder.files.delete(path);
    }
    let more = false;
    for (const name of names) {
      const path = join(folder.path, name);
      let entry = folder.files.get(path);
      if (entry === undefined) {
        entry = {
          file: new LogFile(path, this.#options.store.position(path), this.#starting),
          of: { ...of, restart: Number.parseInt(name, 10) },
        };
        folder.files.set(path, entry);
      }
      more = this.#read(entry.file, entry.of) || more;
    }
    if (more) {
      this.#later(folder, SETTLE_MS);
    }
  }

  #read(file: LogFile, of: Row): boolean {
    const now = this.#options.now();
    this.#tokens = Math.min(this.#tokens + ((now - this.#refilled) * BYTES_PER_S) / 1000, BYTES_PER_S);
    this.#refilled = now;
    if (this.#tokens < VISIT_BYTES) {
      return true;
    }
    const before = file.stored;
    const { lines, bytes, more } = file.read(VISIT_BYTES, now);
    this.#tokens -= bytes;
    if (bytes === 0 && lines.length === 0) {
      return more;
    }
    const oldest = now - this.#options.maxAgeMs;
    const row = ({ unixMs, stream, message }: LogLine): Row => ({ ...of, stream, message, unix_ms: unixMs });
    if (this.#options.store.save(lines.filter((l) => l.unixMs >= oldest).map(row), file.path, file.stored)) {
      return more;
    }
    file.rewind(before);
    return true;
  }
}
