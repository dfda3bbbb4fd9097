import { moduleNames } from '../modules.ts';

/** What SQLite stores; a gatherer gives null for what it cannot know. */
export type SqlInput = string | number | null;
export type Row = Record<string, SqlInput>;

export interface Column {
  name: string;
  type: 'text' | 'integer' | 'real';
  description: string;
}

/**
 * Why a table cannot be trusted to be complete now: nothing collects it here, or what it shows is the last that was
 * known.
 */
export interface TableNote {
  state: 'unavailable' | 'stale';
  reason: string;
}
export type TableNotes = Record<string, TableNote>;

/** Where the machine's own facts are mounted: in a pod the host's /proc lies elsewhere. */
export interface Sources {
  proc: string;
  sys: string;
  /** Prefix under which the host's file systems are seen, '' for none: sizes of disks are read there. */
  root: string;
  /** The satellite's own tables, for those that describe them. */
  catalog: { tables: Table[]; notes: TableNotes };
}

interface Definition {
  name: string;
  description: string;
  columns: Column[];
}

/** Read from the machine for each statement that names it. */
export interface LiveTable extends Definition {
  kind: 'live';
  /** True where other users' processes are looked into: a process without rights cannot gather all of it. */
  privileged?: boolean;
  rows(sources: Sources): Iterable<Row>;
}

/** Written by the collector into the satellite's database: what is now (`state`), or what was when (`history`). */
export interface CollectedTable extends Definition {
  kind: 'state' | 'history';
}

/** One file of tables/ each; the file's name is the table's. */
export type Table = LiveTable | CollectedTable;

/**
 * The columns that every table of history has besides its own: the first one and the last one. Only `unix_ms` is
 * stored.
 */
export const TIME_COLUMN = 'time';
export const UNIX_MS_COLUMN = 'unix_ms';

/** A table of what was when, with its two columns of time. */
export function historyTable(definition: Definition): CollectedTable {
  return {
    ...definition,
    kind: 'history',
    columns: [
      { name: TIME_COLUMN, type: 'text', description: 'UTC time, to the millisecond' },
      ...definition.columns,
      {
        name: UNIX_MS_COLUMN,
        type: 'integer',
        description: 'the same time in milliseconds since 1970, to compare and to calculate with',
      },
    ],
  };
}

const FOLDER = 'src/satellite/tables';

/** All tables, sorted by name. */
export async function loadTables(): Promise<Table[]> {
  return Promise.all(
    moduleNames(FOLDER).map(async (name) => {
      const module = (await import(`./tables/${name}.ts`)) as { table: Table };
      return module.table;
    }),
  );
}

/** The sources named by the environment: TERRARIUM_PROC, TERRARIUM_SYS, TERRARIUM_ROOT. */
export function sourcesFrom(env: NodeJS.ProcessEnv, tables: Table[], notes: TableNotes = {}): Sources {
  return {
    proc: env['TERRARIUM_PROC'] ?? '/proc',
    sys: env['TERRARIUM_SYS'] ?? '/sys',
    root: env['TERRARIUM_ROOT'] ?? '',
    catalog: { tables, notes },
  };
}
