import type { Facts } from './facts.ts';
import type { SatelliteStore } from './satellites.ts';

const SAY_EVERY_MS = 60_000;

/**
 * What an instance writes down only for its own next start. Where that fails, a full disk for instance, it goes on with
 * what it has in memory, and says so once a minute.
 */
export function spareWrites(
  log: (line: string) => void,
  now: () => number = Date.now,
): { facts(facts: Facts): Facts; satellites(store: SatelliteStore): SatelliteStore } {
  let said = -Infinity;
  const attempt = (write: () => void): void => {
    try {
      write();
    } catch (error) {
      if (now() - said < SAY_EVERY_MS) {
        return;
      }
      said = now();
      log(`cloud: what is kept for the next start is not written: ${(error as Error).message}`);
    }
  };
  return {
    facts: (facts) => ({ get: (key) => facts.get(key), put: (key, value) => attempt(() => facts.put(key, value)) }),
    satellites: (store) => ({
      all: () => store.all(),
      put: (records) => attempt(() => store.put(records)),
      remove: (id) => attempt(() => store.remove(id)),
    }),
  };
}
