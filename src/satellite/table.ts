import { moduleNames } from '../modules.ts';

/** What SQLite stores; a gatherer gives null for what it cannot know. */
export type SqlInput = string | number | null;
export type Row = Record<string, SqlInput>;

export interface Column {
  name: string;
  type: 'text' | 'integer' | 'real';
  description: string;
}

/** Where the machine's own facts are mounted: in a pod the host's /proc lies elsewhere. */
export interface Sources {
  proc: string;
  sys: string;
  /** Prefix under which the host's file systems are seen, '' for none: sizes of disks are read there. */
  root: string;
}

/** One file of tables/ each; the file's name is the table's. `rows` is called for each statement that reads the table. */
export interface Table {
  name: string;
  description: string;
  columns: Column[];
  rows(sources: Sources): Iterable<Row>;
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
export function sourcesFrom(env: NodeJS.ProcessEnv): Sources {
  return { proc: env['TERRARIUM_PROC'] ?? '/proc', sys: env['TERRARIUM_SYS'] ?? '/sys', root: env['TERRARIUM_ROOT'] ?? '' };
}
