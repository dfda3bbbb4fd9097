import { join } from 'node:path';
import Database from 'better-sqlite3';
import { addonPath } from '../../../src/assets.ts';
import { startCollector, type Collector } from '../../../src/satellite/collector/collector.ts';
import type { Table } from '../../../src/satellite/table.ts';

/** The node that the collectors are on. */
export const NODE = 'n1';

export interface RunningCollector {
  collector: Collector;
  rows(sql: string): Record<string, unknown>[];
  log: string[];
  stop(): Promise<void>;
}

/**
 * Opens its database by the library that writes: locks of POSIX are a process's, so that two libraries in one process
 * would not see each other's.
 */
export function openReader(collector: Collector): Database.Database {
  return new Database(collector.file ?? '', { readonly: true, nativeBinding: addonPath() });
}

/** A collector with the folder `name` of its own below `root`, and a reader of its database. */
export function runCollector(
  root: string,
  tables: Table[],
  name: string,
  env: NodeJS.ProcessEnv = {},
): RunningCollector {
  const data = join(root, name);
  const log: string[] = [];
  const collector = startCollector({
    env: {
      TERRARIUM_DATA: data,
      TERRARIUM_POD_LOGS: join(data, 'pods'),
      TERRARIUM_SERVICE_ACCOUNT: join(data, 'none'),
      TERRARIUM_COLLECTOR: '{"sampleSeconds":1}',
      ...env,
    },
    node: NODE,
    tables,
    log: (line) => log.push(line),
  });
  const reader = openReader(collector);
  let stopped = false;
  return {
    collector,
    log,
    rows: (sql) => reader.prepare<[], Record<string, unknown>>(sql).all(),
    stop: async () => {
      if (stopped) {
        return;
      }
      stopped = true;
      await collector.stop();
      reader.close();
    },
  };
}
