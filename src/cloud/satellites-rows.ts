import type { AppliedEntry } from '../store/machine/types.ts';
import type { SatelliteRow } from '../store/rows.ts';
import { createListeners } from './listeners.ts';
import { credentialEnds } from './satellites-admission.ts';
import { many, one } from './state/read.ts';
import type { State } from './state/state.ts';

/** A satellite as the state has it, without keys and certificate. */
export interface KnownSatellite extends Pick<SatelliteRow, 'id' | 'name' | 'access' | 'state' | 'version'> {
  tags: Readonly<Record<string, string>>;
  stateAt: number;
  enrolledAt: number;
  /** Whether it is of a machine that is no node: one of a node is no longer there when the node has gone. */
  elsewhere: boolean;
  /**
   * When the certificate of its enrolment, or of the last renewal, ends, milliseconds since 1970; undefined for a
   * node's satellite.
   */
  ends: number | undefined;
}

/**
 * The state's satellites, kept in memory and brought up to date by what changes: ten thousand are not read for each
 * change of one.
 */
export interface SatelliteRows {
  get(id: string): KnownSatellite | undefined;
  ids(): Iterable<string>;
  /** Calls back with the ids of those that may have changed, come or gone. @returns how to end it */
  onChange(listener: (ids: readonly string[]) => void): () => void;
  stop(): void;
}

interface Row extends Pick<
  SatelliteRow,
  'id' | 'name' | 'tags' | 'access' | 'state' | 'state_at' | 'enrolled_at' | 'version'
> {
  ends: number | null;
  certificate: string | null;
  elsewhere: 0 | 1;
}

/** The certificate itself only where the enrolment has not written down when it ends. */
const COLUMNS =
  "id, name, tags, access, state, state_at, enrolled_at, version, details ->> '$.ends' AS ends, CASE WHEN details " +
  "->> '$.ends' IS NULL THEN details ->> '$.certificate' END AS certificate, details ->> '$.authority' IS NOT NULL " +
  'AS elsewhere';

const known = ({
  id,
  name,
  tags,
  access,
  state,
  state_at: stateAt,
  enrolled_at: enrolledAt,
  version,
  ends,
  certificate,
  elsewhere,
}: Row): KnownSatellite => ({
  id,
  name,
  access,
  state,
  version,
  stateAt,
  enrolledAt,
  elsewhere: elsewhere === 1,
  tags: JSON.parse(tags) as Record<string, string>,
  ends: ends ?? (certificate === null ? undefined : credentialEnds({ certificate })),
});

/** The satellites that a command is about. */
export function satellitesOf({ kind, args }: Pick<AppliedEntry, 'kind' | 'args'>): string[] {
  if (!kind.startsWith('satellite.')) {
    return [];
  }
  const { id, states } = args as { id?: string; states?: { id: string }[] };
  if (states !== undefined) {
    return states.map((s) => s.id);
  }
  return id === undefined ? [] : [id];
}

export function createSatelliteRows(state: State): SatelliteRows {
  const listeners = createListeners<[ids: readonly string[]]>();
  const rows = new Map<string, KnownSatellite>();
  /** Whether all have been read since the database was opened. */
  let whole = false;

  const tell = (ids: readonly string[]): void => {
    if (ids.length > 0) {
      listeners.tell(ids);
    }
  };
  /** @returns those that are or were there. */
  const readAll = (): string[] => {
    const before = [...rows.keys()];
    rows.clear();
    const replica = state.current();
    whole = replica !== undefined;
    if (replica !== undefined) {
      for (const row of many<Row>(replica.db, `SELECT ${COLUMNS} FROM satellites`)) {
        rows.set(row.id, known(row));
      }
    }
    return [...new Set([...before, ...rows.keys()])];
  };
  const read = (id: string): void => {
    const replica = state.current();
    const row =
      replica === undefined ? undefined : one<Row>(replica.db, `SELECT ${COLUMNS} FROM satellites WHERE id = ?`, id);
    if (row === undefined) {
      rows.delete(id);
    } else {
      rows.set(id, known(row));
    }
  };
  const end = state.onChange((change) => {
    // An instance of several gets its tables with the first changes that it applies.
    if (change.type === 'reset' || !whole) {
      return tell(readAll());
    }
    const ids = [...new Set(change.entries.flatMap(satellitesOf))];
    for (const id of ids) {
      read(id);
    }
    return tell(ids);
  });
  readAll();
  return {
    get: (id) => rows.get(id),
    ids: () => rows.keys(),
    onChange: listeners.add,
    stop: end,
  };
}
