import { randomBytes } from 'node:crypto';
import { Failure } from '../errors.ts';
import type { Outcome } from '../store/machine/types.ts';
import type { Draft, Replica } from '../store/replica.ts';
import type { SavedQueryRow, ScheduleRow, ScheduleRunRow } from '../store/rows.ts';
import { SCHEDULES_SCHEMA, KEEP_BYTES } from '../store/schedule-limits.ts';
import { isDue } from '../store/schedule-times.ts';
import { ulid } from '../store/ulid.ts';
import { querySchema, type CloudInfo } from './api.ts';
import { scopesOf, type Caller } from './auth/access.ts';
import type { CloudContext } from './context.ts';
import { MAX_QUERIES } from './queries.ts';
import { queryFor, refuseTooManyQueries } from './query-start.ts';
import { createRate } from './schedule-rate.ts';
import { packLines } from './schedule-rows.ts';
import { collectRun, ended, type Collected, type RunEnd } from './schedule-run.ts';
import { many, one, userByName } from './state/read.ts';
import { runByNumber, scheduleById } from './state/schedules.ts';

const TICK_MS = 500;
/**
 * Runs that were due at once in one instance, which leaves most of its queries to people; and begun at a tick, so that
 * a clock that jumps lets no herd loose.
 */
const RUNS_AT_ONCE = 10;
const BEGUN_AT_ONCE = 5;
/**
 * Beyond the statement's own time, after which a run is ended; and after which, seen from elsewhere, its instance is
 * taken to have forgotten it.
 */
const OVERTIME_MS = 30_000;
const FORGOTTEN_MS = 60_000;
/**
 * Silence after which an instance's runs are lost: longer than what makes it unreachable, since a busy machine is
 * silent for that, and its run would be doubled.
 */
const GONE_MS = 15_000;
/** How long the end of a run is tried to be told. */
const TELL_MS = 60_000;
const AGAIN_MS = 1_000;
const STOP_MS = 3_000;

export interface ScheduleKeeperOptions {
  /** This instance's name, and of which life of it (a text that no other has). */
  self: string;
  boot: string;
  cloud: CloudContext;
  /** Whether this instance is the one that begins what is due; two that do so at once do no harm. */
  tells(): boolean;
  instances(): CloudInfo[];
  /** Milliseconds for which the others have been heard here without a break. */
  listeningMs(): number;
  log(line: string): void;
  now?: () => number;
  /** Milliseconds of a clock that does not jump. */
  monotonic?: () => number;
}

export interface ScheduleKeeper {
  /**
   * Begins a run on this instance, out of its time.
   * @param user who asks, among whose queries it counts
   * @param propose has the command carried out in the asker's name; throws where it is refused
   * @returns the run's number @throws Failure `exists` where one is under way here; HttpProblem where the user runs as
   *   many queries as he may
   */
  runNow(id: string, user: string, propose: (draft: Pick<Draft, 'kind' | 'args'>) => Promise<unknown>): Promise<number>;
  stop(): Promise<void>;
}

/**
 * Runs the schedules of the state. One instance, the first of the ready ones, begins what is due and runs it; that it
 * has begun is decided by the state (`schedule.begin`). Every instance ends what an earlier life of its own has left,
 * and the one that begins also what instances that are gone have left.
 */
export function keepSchedules({
  self,
  boot,
  cloud,
  tells,
  instances,
  listeningMs,
  log,
  now = Date.now,
  monotonic = () => performance.now(),
}: ScheduleKeeperOptions): ScheduleKeeper {
  const actor = `cloud/${self}`;
  const rate = createRate();
  /** Under way here, by schedule. */
  const active = new Map<
    string,
    { number: number | undefined; user: string | undefined; abort: AbortController; over: Promise<void> }
  >();
  /** When a run was first seen under way, by schedule and number. */
  const seen = new Map<string, number>();
  const ending = new Set<string>();
  let read: ScheduleRow[] | undefined;
  let stopped = false;

  const ready = (): Replica | undefined => {
    const replica = cloud.state.current();
    const status = replica?.status();
    return replica !== undefined && status?.state === 'ready' && status.schema >= SCHEDULES_SCHEMA
      ? replica
      : undefined;
  };

  /** Proposes until it is known what it came to. @throws Failure where that is not so after `ms` */
  async function tell(draft: Draft, ms = TELL_MS): Promise<Outcome> {
    const id = ulid(now(), randomBytes(10));
    for (const until = monotonic() + ms; ;) {
      try {
        return await cloud.state.replica().propose({ ...draft, id });
      } catch (error) {
        const passing =
          error instanceof Failure && ['store-unavailable', 'store-busy', 'starting'].includes(error.code);
        if (!passing || monotonic() > until) {
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  async function finish(schedule: string, number: number, end: RunEnd, ms?: number): Promise<void> {
    const { result } = await tell({ kind: 'schedule.finish', actor, args: { schedule, number, ...end } }, ms);
    // Refused: deleted meanwhile, or said to be lost by another instance, which is then what holds.
    if (!result.ok) {
      return;
    }
    cloud.metrics.schedule(end.state, 1);
    cloud.metrics.schedule('skipped', (result.value as { skipped: number }).skipped);
  }

  async function keep(schedule: string, number: number, collected: Collected, end: RunEnd): Promise<RunEnd> {
    let pieces = await packLines(collected.lines());
    let kept = end;
    if (!rate.take(pieces.reduce((sum, piece) => sum + Math.ceil(piece.length / 3) * 4, 0))) {
      kept = { ...end, kept: 0, cut: 'rate' };
      pieces = await packLines(collected.bare());
    }
    for (const [piece, data] of pieces.entries()) {
      const { result } = await tell({
        kind: 'schedule.rows',
        actor,
        args: { schedule, number, piece, data: data.toString('base64') },
      });
      if (!result.ok) {
        break;
      }
    }
    return kept;
  }

  /** The caller that a schedule's query runs as: its owner, with the rights that he has now. @throws Error */
  function ownerOf(schedule: ScheduleRow, db: Replica['db']): Caller {
    const user = userByName(db, schedule.owner);
    if (user === undefined || user.disabled === 1 || !scopesOf(user.role).includes('query')) {
      throw new Error(`Its owner ${schedule.owner} may not query.`);
    }
    return {
      user: user.name,
      role: user.role,
      scopes: new Set(scopesOf(user.role)),
      actor: `schedule/${schedule.id}`,
      passwordChange: 'none',
    };
  }

  async function carryOut(
    schedule: ScheduleRow,
    number: number,
    user: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { timeoutMs, maxRows } = JSON.parse(schedule.limits) as { timeoutMs: number; maxRows: number };
    const collected = collectRun();
    let end: RunEnd;
    try {
      const { db } = cloud.state.replica();
      const sql =
        schedule.sql ?? one<SavedQueryRow>(db, 'SELECT * FROM saved_queries WHERE id = ?', schedule.query)?.sql;
      if (sql === undefined) {
        throw new Error(`There is no saved query ${schedule.query} any more.`);
      }
      const { proxy, spec } = queryFor(
        cloud,
        ownerOf(schedule, db),
        querySchema.parse({
          ...(JSON.parse(schedule.target) as object),
          sql,
          timeoutMs,
          maxRows,
          maxBytes: KEEP_BYTES,
        }),
        user,
      );
      if (spec.satellites.length === 0) {
        throw new Error('No satellite that is heard fits the choice.');
      }
      await proxy.run(spec, collected.sink, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs + OVERTIME_MS)]));
      end = await keep(schedule.id, number, collected, collected.end());
    } catch (error) {
      if (stopped) {
        return finish(schedule.id, number, ended('lost', `The instance ${self} was stopped.`), 0);
      }
      end = ended('failed', (error as Error).name === 'TimeoutError' ? 'It took too long.' : (error as Error).message);
    }
    await finish(schedule.id, number, end);
  }

  /**
   * Begins a run, due or asked for by a user, and sees to it; of a repetition the first time counts. @returns its
   * number @throws what `propose` throws
   */
  async function begin(
    schedule: ScheduleRow,
    propose: (draft: Pick<Draft, 'kind' | 'args'>) => Promise<unknown>,
    { due, user }: { due: number; user?: undefined } | { due: null; user: string },
  ): Promise<number> {
    const abort = new AbortController();
    const over = Promise.withResolvers<void>();
    const mine = { number: undefined as number | undefined, user, abort, over: over.promise };
    active.set(schedule.id, mine);
    const done = (): void => {
      active.delete(schedule.id);
      over.resolve();
    };
    let run: ScheduleRunRow | undefined;
    let number: number;
    try {
      ({ number } = (await propose({
        kind: 'schedule.begin',
        args: { schedule: schedule.id, number: schedule.number + 1, runner: self, boot, due },
      })) as { number: number });
      run = runByNumber(cloud.state.replica().db, schedule.id, number);
    } catch (error) {
      done();
      throw error;
    }
    // A repetition of a command that another instance has carried out: that one runs it.
    if (run?.runner !== self || run.boot !== boot || run.state !== 'running') {
      done();
      return number;
    }
    mine.number = number;
    void carryOut(schedule, number, user, abort.signal)
      .catch((error: Error) =>
        log(`schedules: the end of run ${number} of ${schedule.id} was not recorded: ${error.message}`),
      )
      .finally(done);
    return number;
  }

  async function beginDue(schedule: ScheduleRow): Promise<void> {
    await begin(
      schedule,
      async (draft) => {
        const { result } = await cloud.state.replica().propose({ ...draft, actor });
        if (!result.ok) {
          throw new Refused(result.code, result.message);
        }
        cloud.metrics.schedule('missed', (result.value as { missed: number }).missed);
        return result.value;
      },
      { due: schedule.next_at },
    )
      .catch(async (error: Error) => {
        // Another instance was first, or somebody has changed it.
        if (!(error instanceof Refused)) {
          return log(`schedules: ${schedule.id} was not begun: ${error.message}`);
        }
        if (error.code === 'denied' && scheduleById(cloud.state.replica().db, schedule.id)?.state === 'enabled') {
          await tell(
            { kind: 'schedule.state', actor, args: { id: schedule.id, state: 'stopped', reason: error.message } },
            0,
          );
        }
      })
      .catch((error: Error) => log(`schedules: ${schedule.id} was not stopped: ${error.message}`));
  }

  /** Why a run under way is taken for lost; undefined for one that is not. */
  function gone(schedule: ScheduleRow, run: ScheduleRunRow, judges: boolean): string | undefined {
    if (run.runner === self) {
      return run.boot === boot ? `The instance ${self} could not record it.` : `The instance ${self} was restarted.`;
    }
    if (!judges || listeningMs() < GONE_MS) {
      return undefined;
    }
    const runner = instances().find((i) => i.name === run.runner);
    if (runner === undefined || now() - Date.parse(runner.lastSeen) > GONE_MS) {
      return `The instance ${run.runner} is gone.`;
    }
    const since = seen.get(`${run.schedule} ${run.number}`) ?? monotonic();
    const { timeoutMs } = JSON.parse(schedule.limits) as { timeoutMs: number };
    return monotonic() - since > timeoutMs + OVERTIME_MS + FORGOTTEN_MS
      ? `The instance ${run.runner} has not ended it.`
      : undefined;
  }

  function endLost(replica: Replica, schedule: ScheduleRow, judges: boolean): void {
    const key = `${schedule.id} ${schedule.running}`;
    if (active.has(schedule.id) || ending.has(key)) {
      return;
    }
    if (!seen.has(key)) {
      seen.set(key, monotonic());
    }
    const run = runByNumber(replica.db, schedule.id, schedule.running);
    const reason = run === undefined ? undefined : gone(schedule, run, judges);
    if (reason === undefined) {
      return;
    }
    ending.add(key);
    finish(schedule.id, schedule.running, ended('lost', reason), 0)
      .catch((error: Error) =>
        log(`schedules: the end of run ${schedule.running} of ${schedule.id} was not recorded: ${error.message}`),
      )
      .finally(() => ending.delete(key));
  }

  function tick(): void {
    const replica = ready();
    if (replica === undefined) {
      return;
    }
    read ??= many<ScheduleRow>(replica.db, "SELECT * FROM schedules WHERE state = 'enabled' OR running <> 0");
    const running = read.filter((s) => s.running !== 0);
    const judges = tells();
    for (const schedule of running) {
      endLost(replica, schedule, judges);
    }
    const keys = new Set(running.map((s) => `${s.id} ${s.running}`));
    for (const key of seen.keys()) {
      if (!keys.has(key)) {
        seen.delete(key);
      }
    }
    const begun = [...active.values()].filter((a) => a.user === undefined).length;
    const room = Math.min(
      BEGUN_AT_ONCE,
      RUNS_AT_ONCE - begun,
      MAX_QUERIES - RUNS_AT_ONCE - (cloud.queries()?.active() ?? Infinity),
    );
    if (!judges || room <= 0) {
      return;
    }
    const at = now();
    const due = read.filter(
      (s) =>
        s.state === 'enabled' &&
        s.running === 0 &&
        !active.has(s.id) &&
        isDue({ nextAt: s.next_at, interval: s.interval_ms }, at),
    );
    for (const schedule of due.sort((a, b) => a.next_at - b.next_at).slice(0, room)) {
      void beginDue(schedule);
    }
  }

  /** A run whose schedule was deleted or stopped, or that is said to be lost, is ended. */
  function endUnwanted(): void {
    const replica = active.size === 0 ? undefined : ready();
    if (replica === undefined) {
      return;
    }
    for (const [id, { number, abort }] of active) {
      const schedule = scheduleById(replica.db, id);
      if (number === undefined || (schedule?.running === number && schedule.state !== 'stopped')) {
        continue;
      }
      abort.abort(new Error(schedule === undefined ? 'It was deleted.' : schedule.reason));
    }
  }

  const timer = setInterval(tick, TICK_MS);
  const end = cloud.state.onChange((change) => {
    if (
      change.type === 'applied' &&
      !change.entries.some((e) => e.kind.startsWith('schedule.') || e.kind.startsWith('user.'))
    ) {
      return;
    }
    read = undefined;
    endUnwanted();
  });
  return {
    async runNow(id, user, propose) {
      const schedule = scheduleById(cloud.state.replica().db, id);
      if (active.has(id) || schedule === undefined) {
        throw new Failure('exists', `A run of the schedule ${id} is under way.`);
      }
      const proxy = cloud.queries();
      if (proxy !== undefined) {
        refuseTooManyQueries(proxy, user);
      }
      return begin(schedule, propose, { due: null, user });
    },
    async stop() {
      stopped = true;
      clearInterval(timer);
      end();
      for (const { abort } of active.values()) {
        abort.abort(new Error('this instance stops'));
      }
      await Promise.race([
        Promise.all([...active.values()].map((a) => a.over)),
        new Promise((resolve) => setTimeout(resolve, STOP_MS).unref()),
      ]);
    },
  };
}

class Refused extends Error {
  override name = 'Refused';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
