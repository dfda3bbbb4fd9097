import type { Position } from './logs/file.ts';
import type { LogStore } from './logs/tail.ts';
import type { HistoryWriter } from './writer.ts';

/** Lines of logs after which old ones are removed at once, not only at the next time for it. */
const PRUNE_EVERY_ROWS = 10_000;

/** Keeps lines of logs, and how far each file was read, in the satellite's database. */
export function createLogStore({ history, write }: HistoryWriter, prune: () => void): LogStore {
  let unpruned = 0;
  return {
    position: (path) =>
      history().all<Position>('SELECT identity, position, partial FROM log_positions WHERE file = ?', path)[0],
    save(rows, path, { identity, position, partial }) {
      const done = write(() => {
        history().append('container_logs', rows);
        history().run(
          'INSERT OR REPLACE INTO log_positions (file, identity, position, partial) VALUES (?, ?, ?, ?)',
          path,
          identity,
          position,
          partial,
        );
      });
      unpruned += rows.length;
      if (unpruned >= PRUNE_EVERY_ROWS) {
        unpruned = 0;
        prune();
      }
      return done;
    },
    keepOnly(exists) {
      const gone = history()
        .all<{ file: string }>('SELECT file FROM log_positions')
        .filter((p) => !exists(p.file));
      write(() => {
        for (const p of gone) {
          history().run('DELETE FROM log_positions WHERE file = ?', p.file);
        }
      });
    },
  };
}
