import { guarded } from '../guarded.ts';
import type { Replica } from '../store/replica.ts';
import { NOBODY, admitted, type Admitted } from './satellites-admission.ts';
import type { State } from './state/state.ts';

/**
 * Without the state for so long, an instance does not know any more who has been revoked meanwhile: nobody may connect.
 */
const BLIND_MS = 10_000;
/**
 * Without a sight of the log, while others are heard: the election of another leader takes no longer, and nothing is
 * acknowledged meanwhile.
 */
const LOG_MS = 30_000;
const TICK_MS = 1_000;
/** Commands that change who may connect. */
const KINDS = new Set([
  'satellite.enrol',
  'satellite.revoke',
  'satellite.delete',
  'satellite.renew',
  'satellite.renewed',
]);

/**
 * Who may connect to this instance's bus, by the state: nobody before it has been read, so that a starting server
 * admits no one revoked meanwhile.
 */
export interface Gate {
  current(): Admitted;
  admits(sat: string): boolean;
  /** Looks now: the nodes have changed. */
  look(): void;
  stop(): void;
}

export interface GateOptions {
  /** This instance's name. */
  self: string;
  state: State;
  /** Milliseconds since the log of changes was seen last; 0 for an instance that is alone. */
  silentMs(): number;
  /** Milliseconds since each of the cluster's other instances was heard. */
  others(): number[];
  nodes(): readonly string[];
  /** The answer of `current` is another one. */
  changed(): void;
  log(line: string): void;
  /** Monotonic clock, in milliseconds. */
  now?: () => number;
  /** Milliseconds since 1970. */
  wall?: () => number;
}

/** What of it others see. */
const fingerprint = ({ until: _until, ...seen }: Admitted): string => JSON.stringify(seen);

export function createGate(options: GateOptions): Gate {
  const { self, state, nodes, changed, log, now = () => performance.now(), wall = Date.now } = options;
  let current: Admitted = NOBODY;
  /**
   * As read last; undefined once something may have changed: with thousands of satellites it is not read every second.
   */
  let read: Admitted | undefined;
  let seen: number | undefined;
  const admittedIds = idsOf();
  const catchUp = createCatchUp(self, now, () => look());

  const look = (): void => {
    const known = newestState(options, catchUp, now);
    let next: Admitted | undefined;
    if (known !== undefined) {
      seen = now() - known.ms;
      if (read !== undefined && read.until <= wall()) {
        read = undefined;
      }
      next = read ??= admitted(known.db, nodes(), { schema: known.schema, now: wall() });
    }
    if (next === undefined) {
      if (seen === undefined || now() - seen < BLIND_MS) {
        return;
      }
      seen = undefined;
      catchUp.forget();
      log('satellites: the state has not been reached for 10 s, so none may connect until it is');
      next = { ...NOBODY, revoked: current.revoked };
    }
    if (next === current) {
      return;
    }
    const same = fingerprint(next) === fingerprint(current);
    current = next;
    if (!same) {
      changed();
    }
  };
  const lookAgain = (): void => {
    read = undefined;
    look();
  };
  const unlisten = state.onChange((change) => {
    if (change.type === 'reset') {
      catchUp.forget();
    }
    if (change.type === 'reset' || change.entries.some((e) => KINDS.has(e.kind))) {
      lookAgain();
    }
  });
  const timer = setInterval(guarded('satellites', log, look), TICK_MS);
  return {
    current: () => current,
    admits: (sat) => admittedIds(current).has(sat),
    look: lookAgain,
    stop() {
      unlisten();
      clearInterval(timer);
    },
  };
}

/** The state, and milliseconds since it was known to be the newest; undefined where that is too long ago. */
function newestState(
  { state, others, silentMs }: Pick<GateOptions, 'state' | 'others' | 'silentMs'>,
  catchUp: CatchUp,
  now: () => number,
): { db: Replica['db']; schema: number; ms: number } | undefined {
  const replica = state.current();
  const status = replica?.status();
  if (replica === undefined || status?.state !== 'ready' || status.schema <= 0) {
    return undefined;
  }
  const { schema } = status;
  if (status.mode === 'single') {
    return silentMs() < LOG_MS ? { db: replica.db, schema, ms: 0 } : undefined;
  }
  const caughtUpAt = catchUp.at();
  if (caughtUpAt === undefined) {
    catchUp.ask(replica);
    return undefined;
  }
  const ms = Math.min(majoritySilence(others()), now() - caughtUpAt);
  return ms < BLIND_MS && silentMs() < LOG_MS ? { db: replica.db, schema, ms } : undefined;
}

/** Returns a function that gives the ids of those admitted; it keeps the last answer. */
function idsOf(): (admitted: Admitted) => ReadonlySet<string> {
  let of = NOBODY;
  let ids = new Set<string>();
  return (admitted) => {
    if (of !== admitted) {
      of = admitted;
      ids = new Set([...admitted.satellites, ...admitted.enrolled.map((s) => s.id)]);
    }
    return ids;
  };
}

/**
 * Milliseconds since so many of the others were heard that they and this instance are a majority: those who are cut
 * off from it may have revoked somebody.
 */
function majoritySilence(others: number[]): number {
  const heard = others.sort((a, b) => a - b);
  const needed = Math.floor((heard.length + 1) / 2);
  return needed === 0 ? 0 : (heard[needed - 1] ?? Number.POSITIVE_INFINITY);
}

/** Whether all that had been acknowledged at some time is applied here. */
interface CatchUp {
  /** When that was known last, by the monotonic clock; undefined while it is not. */
  at(): number | undefined;
  ask(replica: Replica): void;
  forget(): void;
}

/**
 * Position alone does not tell: the log's end may not be known yet. What this instance logs itself comes after all
 * that was acknowledged before.
 * @param now the monotonic clock, in milliseconds @param done called when it is known
 */
function createCatchUp(self: string, now: () => number, done: () => void): CatchUp {
  let caughtUpAt: number | undefined;
  let asking = false;
  return {
    at: () => caughtUpAt,
    forget: () => (caughtUpAt = undefined),
    ask(replica) {
      if (asking) {
        return;
      }
      asking = true;
      replica
        .propose({
          kind: 'audit.note',
          actor: `cloud/${self}`,
          args: { resource: `cloud/${self}`, before: null, after: 'admits satellites' },
        })
        .then(
          () => {
            asking = false;
            caughtUpAt = now();
            done();
          },
          // No quorum, or it is ending: the next tick asks again.
          () => (asking = false),
        );
    },
  };
}
