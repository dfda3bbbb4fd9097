import type { CoreOptions } from './core.ts';
import type { Store } from './database.ts';
import { openMachine } from './machine.ts';

/**
 * With one instance, after its database was put aside as damaged: the newest snapshot, and then what the damaged file's log still has, entry by entry
 * as long as number and hash chain fit. The result is the current database.
 * @returns a sentence if entries may be lost; undefined if the log reached as far as the damaged database had been.
 */
export function restore(options: Pick<CoreOptions, 'storage' | 'kinds' | 'schema' | 'log'>): string | undefined {
  const { storage, log } = options;
  const snapshot = storage.snapshots()[0];
  if (snapshot !== undefined) storage.replace(snapshot);
  const damaged = storage.openAside();
  const { writer, reader } = storage.open();
  reader.close();
  const machine = openMachine(writer, { kinds: options.kinds, schema: options.schema, keepLog: true });
  try {
    if (machine.meta().epoch === 0) machine.startEpoch(1);
    const wanted = damaged === undefined ? undefined : lastPosition(damaged);
    for (const { entry, chain } of damaged === undefined ? [] : logAfter(damaged, machine.meta().message)) {
      machine.apply([entry]);
      if (chain !== undefined && machine.meta().chain !== chain) throw new Error(`position ${machine.meta().position} has other effects than it had`);
    }
    const { position } = machine.meta();
    log(`store: restored up to position ${position}`);
    return wanted !== undefined && position >= wanted ? undefined : `The database was damaged and restored up to position ${position}; later changes may be lost.`;
  } catch (error) {
    const { position } = machine.meta();
    log(`store: the log ends at position ${position}: ${(error as Error).message}`);
    return `The database was damaged and restored up to position ${position}; later changes may be lost.`;
  } finally {
    machine.close();
    damaged?.close();
  }
}

function lastPosition(db: Store): number | undefined {
  try {
    return db.prepare<[], number>('SELECT position FROM _meta').pluck().get();
  } catch {
    return undefined;
  }
}

/** Entries that follow on each other, as far as the damaged file can be read. */
function* logAfter(db: Store, message: number): Generator<{ entry: Buffer; chain: string | undefined }> {
  const one = db.prepare<[number], { entry: Buffer; chain: string | null }>('SELECT l.entry, h.chain FROM _log l LEFT JOIN _history h USING (message) WHERE message = ?');
  for (let next = message + 1; ; next += 1) {
    const row = one.get(next);
    if (row === undefined) return;
    yield { entry: row.entry, chain: row.chain ?? undefined };
  }
}
