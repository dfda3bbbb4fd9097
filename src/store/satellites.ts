import type { Heartbeat } from '../bus/frames.ts';
import type { Store } from './database.ts';

/** A satellite as registered: its last heartbeat and when it was heard first and last (milliseconds since 1970). */
export interface SatelliteRecord extends Heartbeat {
  firstSeen: number;
  lastSeen: number;
}

interface Row {
  id: string;
  node: string;
  version: string;
  addresses: string;
  tables: string;
  load: string;
  started_at: string;
  first_seen: number;
  last_seen: number;
}

export interface SatelliteStore {
  all(): SatelliteRecord[];
  /** Writes all of them in one transaction. */
  put(records: SatelliteRecord[]): void;
  remove(id: string): void;
}

export function openSatellites(db: Store): SatelliteStore {
  const all = db.prepare<[], Row>('SELECT * FROM satellites ORDER BY id');
  const put = db.prepare(`
    INSERT INTO satellites (id, node, version, addresses, tables, load, started_at, first_seen, last_seen)
    VALUES (@id, @node, @version, @addresses, @tables, @load, @startedAt, @firstSeen, @lastSeen)
    ON CONFLICT (id) DO UPDATE SET node = excluded.node, version = excluded.version, addresses = excluded.addresses,
      tables = excluded.tables, load = excluded.load, started_at = excluded.started_at,
      last_seen = excluded.last_seen`);
  const remove = db.prepare('DELETE FROM satellites WHERE id = ?');
  return {
    all: () =>
      all.all().map((r) => ({
        id: r.id,
        node: r.node,
        version: r.version,
        addresses: JSON.parse(r.addresses) as string[],
        tables: JSON.parse(r.tables) as Heartbeat['tables'],
        load: JSON.parse(r.load) as Heartbeat['load'],
        startedAt: r.started_at,
        firstSeen: r.first_seen,
        lastSeen: r.last_seen,
      })),
    put: db.transaction((records: SatelliteRecord[]) => {
      for (const r of records) {
        put.run({
          ...r,
          addresses: JSON.stringify(r.addresses),
          tables: JSON.stringify(r.tables),
          load: JSON.stringify(r.load),
        });
      }
    }),
    remove: (id) => void remove.run(id),
  };
}
