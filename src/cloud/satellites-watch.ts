import { MOST_IDS, type SatelliteInfo } from '../api/satellites.ts';
import type { Beat, FleetLine } from '../api/watch.ts';
import type { SatelliteView } from './satellites-view.ts';

/** More changes than these at once are told as `many`: who shows a page reads that anew, and a page is smaller. */
export const MOST_ITEMS = 2 * MOST_IDS;

/** What has changed in the fleet since it was asked last, for one reader. */
export interface FleetChanges {
  /** Undefined where there is nothing to tell. */
  take(): FleetLine | undefined;
  stop(): void;
}

/**
 * Gathers what changes until the reader takes it, so that a satellite that changes ten times meanwhile is told once, as
 * it is then; and of heartbeats those of the satellites that the reader looks at.
 * @param noticed something has been gathered
 */
export function gatherChanges(
  view: Pick<SatelliteView, 'get' | 'version' | 'onChange'>,
  followed: ReadonlySet<string>,
  noticed: () => void,
): FleetChanges {
  const changed = new Set<string>();
  const beaten = new Set<string>();
  let many = false;
  const end = view.onChange((id, what) => {
    if (what === 'changed') {
      if (changed.size < MOST_ITEMS) {
        changed.add(id);
      } else {
        many ||= !changed.has(id);
      }
    } else if (followed.has(id)) {
      beaten.add(id);
    } else {
      return;
    }
    noticed();
  });
  const clear = (): void => {
    changed.clear();
    beaten.clear();
    many = false;
  };
  return {
    take() {
      if (changed.size === 0 && beaten.size === 0) {
        return undefined;
      }
      const items: SatelliteInfo[] = [];
      const gone: string[] = [];
      for (const id of many ? [] : changed) {
        const item = view.get(id);
        if (item === undefined) {
          gone.push(id);
        } else {
          items.push({ ...item, tables: [] });
        }
      }
      const beats = [...beaten].flatMap((id): Beat[] => {
        const item = changed.has(id) && !many ? undefined : view.get(id);
        return item === undefined ? [] : [{ id, lastSeen: item.lastSeen, load: item.load }];
      });
      const line: FleetLine = { version: view.version(), items, gone, beats, many };
      clear();
      return line;
    },
    stop: end,
  };
}
