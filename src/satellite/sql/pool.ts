import { QUERY_LIMITS } from '../../bus/frames.ts';
import type { FailureData } from '../../errors.ts';
import { sourcesFrom, type Row, type Table, type TableNotes } from '../table.ts';
import { startChild, type Child, type Outcome, type Statement } from './child.ts';
import { Denials } from './denials.ts';

/** Statements that run at the same time, each in a process of its own. Of those processes as many are kept warm. */
export const MAX_RUNNING = 4;
/** Milliseconds that a statement waits for a process, and how many may wait. */
export const QUEUE_MS = 5_000;
export const MAX_QUEUED = 64;
/** A spare process is started so long after the last one was taken: not while that one starts, too. */
const SPARE_MS = 300;
/** A process without work is kept so long. */
const KEEP_MS = 60_000;

export interface PoolOptions {
  tables: Table[];
  env: NodeJS.ProcessEnv;
  /** The collector's database. */
  history: string | undefined;
  notes(): TableNotes;
  now(): number;
  /** Milliseconds that a process without work is kept; default 60 s. */
  keepMs?: number;
}

/** A statement that runs or waits. */
export interface Ticket {
  grant(credits: number): void;
  /** Ends it; nothing is reported any more. */
  stop(): void;
}

interface Entry {
  statement: Statement;
  child: Child | undefined;
  timer: NodeJS.Timeout | undefined;
  over: boolean;
}

/**
 * The processes that run statements: none until the first one, then as many as are needed, and a spare one when all are
 * taken, so that the next statement need not wait for a start. A process takes statement after statement, unless one
 * had to be stopped: then it is killed with it.
 */
export class Pool {
  readonly #options: PoolOptions;
  readonly #denials: Denials;
  readonly #idle = new Set<Child>();
  readonly #busy = new Map<Child, Entry>();
  readonly #queue: Entry[] = [];
  #keep: NodeJS.Timeout | undefined;
  #spare: NodeJS.Timeout | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#denials = new Denials(options.now);
  }

  /** Statements that run or wait now, and processes that wait for one. */
  get counts(): { running: number; queued: number; warm: number } {
    return { running: this.#busy.size, queued: this.#queue.length, warm: this.#idle.size };
  }

  /**
   * Runs a statement as soon as there is a process for it; whatever comes of it is told to its `onEnd`, never before
   * this returns.
   */
  run(statement: Omit<Statement, 'notes'>): Ticket {
    const entry: Entry = {
      statement: { ...statement, notes: this.#options.notes() },
      child: undefined,
      timer: undefined,
      over: false,
    };
    const refuse = (error: FailureData): void => void setImmediate(() => this.#end(entry, { error }));
    if (Buffer.byteLength(statement.sql) > QUERY_LIMITS.sql) {
      refuse({ code: 'query.too-large', message: `The statement is longer than ${QUERY_LIMITS.sql} bytes.` });
    } else if (this.#denials.isDenied(statement.sql)) {
      refuse({
        code: 'query.denied',
        message: 'This statement needed too much memory twice; it is refused here for an hour.',
      });
    } else if (this.#busy.size < MAX_RUNNING) {
      this.#start(entry);
    } else if (this.#queue.length >= MAX_QUEUED) {
      refuse(busy());
    } else {
      this.#queue.push(entry);
      entry.timer = setTimeout(() => {
        this.#queue.splice(this.#queue.indexOf(entry), 1);
        this.#end(entry, { error: busy() });
      }, QUEUE_MS);
    }
    return {
      grant: (credits) => {
        if (entry.child === undefined) {
          entry.statement.credits += credits;
        } else if (!entry.over) {
          entry.child.grant(credits);
        }
      },
      stop: () => {
        entry.over = true;
        clearTimeout(entry.timer);
        const at = this.#queue.indexOf(entry);
        if (at >= 0) {
          this.#queue.splice(at, 1);
        }
        const { child } = entry;
        // A process that has ended this statement may run another one by now.
        if (child === undefined || this.#busy.get(child) !== entry) {
          return;
        }
        this.#busy.delete(child);
        child.kill();
        this.#next();
      },
    };
  }

  /** Ends all statements with this error, and all processes. */
  failAll(error: FailureData): void {
    // Others that waited take their places meanwhile.
    const children = [...this.#busy.keys()];
    for (const child of children) {
      child.fail(error);
    }
    this.#dropIdle();
  }

  close(): void {
    clearTimeout(this.#keep);
    for (const child of this.#busy.keys()) {
      child.kill();
    }
    this.#dropIdle();
  }

  #end(entry: Entry, outcome: Outcome): void {
    if (entry.over) {
      return;
    }
    entry.over = true;
    if ('error' in outcome && outcome.error.code === 'query.memory') {
      this.#denials.strike(entry.statement.sql);
    }
    entry.statement.onEnd(outcome);
  }

  #start(entry: Entry): void {
    clearTimeout(this.#keep);
    const [warm] = this.#idle;
    const child = warm ?? this.#fork();
    this.#idle.delete(child);
    this.#busy.set(child, entry);
    entry.child = child;
    child.run({
      ...entry.statement,
      onEnd: (outcome) => {
        this.#busy.delete(child);
        // One is forked only where none is idle: all together are never more than may run.
        if (child.reusable) {
          this.#idle.add(child);
        } else {
          child.kill();
        }
        this.#end(entry, outcome);
        this.#next();
      },
    });
    this.#prepareSpare();
  }

  #prepareSpare(): void {
    if (this.#idle.size > 0) {
      return;
    }
    this.#spare ??= setTimeout(() => {
      this.#spare = undefined;
      if (this.#idle.size === 0 && this.#busy.size < MAX_RUNNING) {
        this.#idle.add(this.#fork());
      }
    }, SPARE_MS);
  }

  #next(): void {
    const entry = this.#busy.size < MAX_RUNNING ? this.#queue.shift() : undefined;
    if (entry !== undefined) {
      clearTimeout(entry.timer);
      this.#start(entry);
    }
    this.#prepareSpare();
    if (this.#busy.size > 0) {
      return;
    }
    clearTimeout(this.#keep);
    this.#keep = setTimeout(() => this.#dropIdle(), this.#options.keepMs ?? KEEP_MS);
  }

  #dropIdle(): void {
    clearTimeout(this.#spare);
    this.#spare = undefined;
    for (const child of this.#idle) {
      child.kill();
    }
    this.#idle.clear();
  }

  #fork(): Child {
    const { env, history, tables, notes } = this.#options;
    const child = startChild({
      setup: history === undefined ? {} : { history },
      env,
      rowsOf: (name): Row[] => {
        const table = tables.find((t) => t.name === name);
        return table?.kind === 'live' && table.privileged === true
          ? [...table.rows(sourcesFrom(env, tables, notes()))]
          : [];
      },
      onExit: () => void this.#idle.delete(child),
    });
    return child;
  }
}

function busy(): FailureData {
  return {
    code: 'query.busy',
    message: `${MAX_RUNNING} statements already run here, and none of them ended within ${QUEUE_MS / 1000} s.`,
  };
}
