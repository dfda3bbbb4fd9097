import { closeSync, fstatSync, openSync, readSync, readdirSync, statSync, type Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isErrno } from '../../../errors.ts';
import { CriLines, type LogLine } from './cri.ts';

/** Of a file that is met for the first time when the satellite starts, only its end is read. */
const FIRST_BYTES = 256 * 1024;
/** Further behind than this, what lies between is skipped. */
const MAX_BEHIND_BYTES = 4 * 1024 * 1024;

/**
 * How far a log file has been read: in which file (rotation makes another one of the same name), to where, and what was
 * in the middle of a line.
 */
export interface Position {
  identity: string;
  position: number;
  partial: string;
}

function identityOf(stat: Stats): string {
  // A file system may use a number again at once.
  return `${stat.dev}:${stat.ino}:${Math.trunc(stat.birthtimeMs)}`;
}

/**
 * A log file that grows, and is renamed and begun anew by the kubelet when it is large (`0.log` becomes
 * `0.log.20261121-130000`, later `….gz`).
 */
export class LogFile {
  readonly path: string;
  #fd: number | undefined;
  #identity = '';
  #position = 0;
  #lines = new CriLines();
  #fromEnd: boolean;
  #draining = false;

  /**
   * @param stored where an earlier process had come to @param fromEnd whether a file without stored position is old
   *   news
   */
  constructor(path: string, stored: Position | undefined, fromEnd: boolean) {
    this.path = path;
    this.#fromEnd = fromEnd;
    if (stored === undefined) {
      return;
    }
    this.#identity = stored.identity;
    this.#position = stored.position;
    this.#lines = new CriLines(stored.partial);
  }

  get stored(): Position {
    return { identity: this.#identity, position: this.#position, partial: this.#lines.state };
  }

  /**
   * Reads on, at most `budget` bytes.
   * @returns the lines, the bytes read, and whether there is more to be had soon
   * @throws what the system says where the file may not be read
   */
  read(budget: number, now: number): { lines: LogLine[]; bytes: number; more: boolean } {
    if (this.#fd === undefined && !this.#open()) {
      return { lines: [], bytes: 0, more: false };
    }
    const fd = this.#fd as number;
    const { size } = fstatSync(fd);
    if (size < this.#position) {
      this.#begin();
    }
    const lines: LogLine[] = [];
    this.#skip(fd, size, lines, now);
    const bytes = this.#take(fd, Math.min(budget, size - this.#position), lines, now);
    if (this.#position < size && bytes > 0) {
      return { lines, bytes, more: true };
    }
    return { lines, bytes, more: this.#followRotation() };
  }

  /** Goes back to where it was, since what was read could not be kept. */
  rewind({ identity, position, partial }: Position): void {
    if (identity !== this.#identity) {
      this.close();
    }
    this.#identity = identity;
    this.#position = position;
    this.#lines = new CriLines(partial);
  }

  close(): void {
    if (this.#fd !== undefined) {
      closeSync(this.#fd);
    }
    this.#fd = undefined;
  }

  #begin(): void {
    this.#position = 0;
    this.#lines = new CriLines();
  }

  /** Opens the file that was read before, under whatever name it has now, or else the one that has the name now. */
  #open(): boolean {
    try {
      this.#fd = openSync(this.path, 'r');
    } catch (error) {
      if (isErrno(error, 'ENOENT')) {
        return false;
      }
      throw error;
    }
    const stat = fstatSync(this.#fd);
    if (identityOf(stat) === this.#identity) {
      return true;
    }
    const rotated = this.#identity === '' ? undefined : this.#rotated();
    if (rotated !== undefined) {
      closeSync(this.#fd);
      this.#fd = rotated;
      return true;
    }
    this.#identity = identityOf(stat);
    this.#begin();
    if (this.#fromEnd && stat.size > FIRST_BYTES) {
      this.#position = afterLineBreak(this.#fd, stat.size - FIRST_BYTES, stat.size);
    }
    this.#fromEnd = false;
    return true;
  }

  /** The file that had this name when it was read last. */
  #rotated(): number | undefined {
    const folder = dirname(this.path);
    for (const name of readdirSync(folder)) {
      if (!name.startsWith(`${basename(this.path)}.`) || name.endsWith('.gz')) {
        continue;
      }
      try {
        const fd = openSync(join(folder, name), 'r');
        if (identityOf(fstatSync(fd)) === this.#identity) {
          return fd;
        }
        closeSync(fd);
      } catch {
        // Compressed or deleted meanwhile.
      }
    }
    return undefined;
  }

  #skip(fd: number, size: number, lines: LogLine[], now: number): void {
    if (size - this.#position <= MAX_BEHIND_BYTES) {
      return;
    }
    const next = afterLineBreak(fd, size - FIRST_BYTES, size);
    lines.push({
      unixMs: now,
      stream: 'skipped',
      message: `${next - this.#position} bytes were left out here: the container wrote faster than they are taken`,
    });
    this.#position = next;
    this.#lines = new CriLines();
  }

  /** Takes whole lines only; the runtime may be in the middle of writing one. */
  #take(fd: number, budget: number, lines: LogLine[], now: number): number {
    if (budget <= 0) {
      return 0;
    }
    const buffer = Buffer.allocUnsafe(budget);
    const read = buffer.subarray(0, readSync(fd, buffer, 0, budget, this.#position));
    let start = 0;
    for (let end = read.indexOf(10); end >= 0; end = read.indexOf(10, start)) {
      const line = this.#lines.add(read.toString('utf8', start, end), now);
      if (line !== undefined) {
        lines.push(line);
      }
      start = end + 1;
    }
    if (start === 0 && read.length === budget && budget >= FIRST_BYTES / 2) {
      // No runtime writes such a line; whatever it is, it must not hold up what follows.
      start = read.length;
    }
    this.#position += start;
    return start;
  }

  /**
   * The old file is read once more a while after there is a new one, since the runtime's last line may have come late.
   */
  #followRotation(): boolean {
    const stat = statSync(this.path, { throwIfNoEntry: false });
    if (stat === undefined || identityOf(stat) === this.#identity) {
      return false;
    }
    if (!this.#draining) {
      this.#draining = true;
      return true;
    }
    this.#draining = false;
    this.close();
    this.#identity = identityOf(stat);
    this.#begin();
    return true;
  }
}

/** The first position from `from` on at which a line begins. */
function afterLineBreak(fd: number, from: number, size: number): number {
  const buffer = Buffer.alloc(32 * 1024);
  const read = readSync(fd, buffer, 0, buffer.length, from - 1);
  const found = buffer.subarray(0, read).indexOf(10);
  return found < 0 ? size : from + found;
}
