import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { SatelliteInfo } from '../../api/satellites.ts';
import type { FleetLine } from '../../api/watch.ts';
import { asOfNow, keepUp, type FleetQuery, type Live } from '../logic/satellite-list.ts';
import { readSatellites } from '../resources.ts';
import { useConsole, useLoaded, type Loaded } from './context.ts';

/** A page is read anew at most so often, however much changes. */
const AGAIN_MS = 1_000;

/** Calls back, not oftener than once in a while, when satellites come, go, or change in more than a heartbeat. */
export function useFleetChange(changed: (line?: FleetLine) => void, everyMs = AGAIN_MS): void {
  const { onFleet } = useConsole();
  const current = useRef(changed);
  current.current = changed;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = onFleet((line) => {
      if (line !== undefined && !line.many && line.items.length === 0 && line.gone.length === 0) {
        return;
      }
      timer ??= setTimeout(() => {
        timer = undefined;
        current.current(line);
      }, everyMs);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, []);
}

export interface Fleet extends Omit<Loaded<unknown>, 'data'> {
  /** Undefined before the first answer. */
  satellites: SatelliteInfo[] | undefined;
  /** Whether they are those that are asked for, and not still those before. */
  current: boolean;
  matched: number;
  next: string | null;
}

/**
 * A page of the satellites, kept up with what changes: what is told of those that are shown is taken in at once, and
 * the page is read anew where others may have come into it.
 * @param follow whether their heartbeats are of interest
 * @param everyMs between two readings, at least
 */
export function useFleet(query: FleetQuery, follow: boolean, everyMs = AGAIN_MS): Fleet {
  const { onFleet, follow: followThese } = useConsole();
  const key = JSON.stringify(query);
  const { data, error, reload } = useLoaded(
    undefined,
    async () => ({ ...(await readSatellites(query)), key }),
    undefined,
    key,
  );
  const [live, setLive] = useState<Live>(new Map());
  const ids = useMemo(() => (data?.items ?? []).map((s) => s.id), [data]);
  useEffect(() => {
    setLive(new Map());
    const shown = new Set(ids);
    return onFleet((line) => (line === undefined ? undefined : setLive((before) => keepUp(before, shown, line))));
  }, [data]);
  useEffect(() => (follow ? followThese(ids) : undefined), [follow, ids.join()]);
  useFleetChange(reload, everyMs);
  return {
    satellites: data === undefined ? undefined : asOfNow(data.items, live),
    current: data?.key === key,
    matched: data?.matched ?? 0,
    next: data?.next ?? null,
    error,
    reload,
  };
}
