import type { SatelliteRecord, SatelliteStore } from '../../store/satellites.ts';

/** What was heard of satellites and is not written yet. */
export interface Unsaved {
  changed(id: string): void;
  /** Nothing but its last heartbeat is to be written. */
  beat(id: string): void;
  forget(id: string): void;
  /** Writes these, if they are there. */
  write(ids: readonly string[]): void;
  /** Writes what has changed in more than a heartbeat. */
  writeChanged(): void;
  /** Writes at most so many heartbeats, the longest unwritten first. */
  writeBeats(most: number): void;
  writeAll(): void;
}

/** Creates an empty one for these records. */
export function createUnsaved(store: SatelliteStore, records: ReadonlyMap<string, SatelliteRecord>): Unsaved {
  const unsaved = new Set<string>();
  /** Those of whom only the last heartbeat is to be written; the longest unwritten first. */
  const beaten = new Set<string>();
  const forget = (id: string): void => {
    unsaved.delete(id);
    beaten.delete(id);
  };
  const write = (ids: readonly string[]): void => {
    const found = ids.map((id) => records.get(id)).filter((r) => r !== undefined);
    for (const id of ids) {
      forget(id);
    }
    if (found.length > 0) {
      store.put(found);
    }
  };
  return {
    changed: (id) => void unsaved.add(id),
    beat: (id) => void beaten.add(id),
    forget,
    write,
    writeChanged: () => write([...unsaved]),
    writeBeats: (most) => write([...beaten].slice(0, most)),
    writeAll: () => write([...unsaved, ...beaten]),
  };
}
