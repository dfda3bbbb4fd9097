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
  /** Milliseconds from whenever, by a clock that is not set. */
  now?: () => number;
  /** Milliseconds since 1970. */
  wall?: () => number;
}

/** What of it others see. */
const fingerprint = ({ until: _until, ...seen }: Admitted): string => JSON.stringify(seen);

export function createGate({
  self,
  state,
  silentMs,
  others,
  nodes,
  changed,
  log,
  now = () => performance.now(),
  wall = Date.now,
}: GateOptions): Gate {
  let current: Admitted = NOBODY;
  let ids = { of: current, set: new Set<string>() };
  /**
   * As read last; undefined once something may have changed: with thousands of satellites it is not read every second.
   */
  let read: Admitted | undefined;
  let seen: number | undefined;
  /** When all that had been acknowledged was known to be applied here; undefined while that is not known. */
  let caughtUpAt: number | undefined;
  let asking = false;

  /**
   * Position alone does not tell: the log's end may not be known yet. What this instance logs itself comes after all
   * that was acknowledged before.
   */
  const catchUp = (replica: Replica): void => {
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
          look();
        },
        // No quorum, or it is ending: the next tick asks again.
        () => (asking = false),
      );
  };
  /**
   * Milliseconds since this instance was known to be one of a majority: those who are cut off from it may have revoked
   * somebody.
   */
  const alone = (): number => {
    const heard = others().sort((a, b) => a - b);
    const needed = Math.floor((heard.length + 1) / 2);
    const silent = needed === 0 ? 0 : (heard[needed - 1] ?? Number.POSITIVE_INFINITY);
    return Math.min(silent, caughtUpAt === undefined ? Number.POSITIVE_INFINITY : now() - caughtUpAt);
  };
  const look = (): void => {
    const replica = state.current();
    const status = replica?.status();
    let next: Admitted | undefined;
    if (replica !== undefined && status?.state === 'ready' && status.schema > 0) {
      const ms = status.mode === 'single' ? 0 : alone();
      if (status.mode === 'cluster' && caughtUpAt === undefined) {
        catchUp(replica);
      } else if (ms < BLIND_MS && silentMs() < LOG_MS) {
        seen = now() - ms;
        if (read !== undefined && read.until <= wall()) {
          read = undefined;
        }
        next = read ??= admitted(replica.db, nodes(), { schema: status.schema, now: wall() });
      }
    }
    if (next === undefined) {
      if (seen === undefined || now() - seen < BLIND_MS) {
        return;
      }
      seen = undefined;
      caughtUpAt = undefined;
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
      caughtUpAt = undefined;
    }
    if (change.type === 'reset' || change.entries.some((e) => KINDS.has(e.kind))) {
      lookAgain();
    }
  });
  const timer = setInterval(guarded('satellites', log, look), TICK_MS);
  return {
    current: () => current,
    admits(sat) {
      if (ids.of !== current) {
        ids = { of: current, set: new Set([...current.satellites, ...current.enrolled.map((s) => s.id)]) };
      }
      return ids.set.has(sat);
    },
    look: lookAgain,
    stop() {
      unlisten();
      clearInterval(timer);
    },
  };
}
