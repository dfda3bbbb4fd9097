import { setTimeout as sleep } from 'node:timers/promises';
import { serverId, type MetaServer } from '../bus/meta-group.ts';

const EVERY_MS = 2_000;
/** A wrong look at the nodes, or a node that is registered anew, passes within this. */
export const DEPARTED_MS = 60_000;
/**
 * How long group and control planes may differ before the log says so: a server needs a while to join or to be removed.
 */
const DIFFERS_MS = 180_000;

export interface DepartedOptions {
  /** Names of the registered control planes, by Kubernetes as it is now; undefined while it cannot be asked. */
  registered(): readonly string[] | undefined;
  /** The servers of JetStream's meta group; undefined where this instance's server does not lead it. */
  group(): MetaServer[] | undefined;
  /** @throws where it did not work */
  remove(id: string): Promise<void>;
  log(line: string): void;
  /** How long a server has to be gone, milliseconds. */
  afterMs?: number | undefined;
  now?: () => number;
}

const list = (names: readonly string[]): string => [...names].sort((a, b) => a.localeCompare(b)).join(', ');

/**
 * Takes servers whose control plane is gone for good out of JetStream's meta group. There, and with a copy of the log,
 * a server counts until it is removed: nats-server cannot know that it does not come back. Kubernetes says so: its node
 * is no control plane any more. Besides, it must not have been connected for as long: one that is there does its part,
 * and may only be missing in a wrong answer. Only the instance whose server leads the group judges, by that one's
 * connections.
 * @returns a look at what is; at most one server is removed by each.
 */
export function watchDeparted({
  registered,
  group,
  remove,
  log,
  afterMs = DEPARTED_MS,
  now = Date.now,
}: DepartedOptions): () => Promise<void> {
  /** Since when each has been gone without a break, by id. */
  const gone = new Map<string, number>();
  let differs: { how: string; since: number } | undefined;
  let told: string | undefined;

  const compare = (servers: MetaServer[], names: readonly string[], ids: ReadonlySet<string>): void => {
    if (servers.length === ids.size && servers.every((s) => ids.has(s.id))) {
      if (told !== undefined) {
        log(`bus: each of the ${names.length} control planes has its part in the log again`);
      }
      differs = told = undefined;
      return;
    }
    const how =
      `${servers.length} servers agree on the log (${list(servers.map((s) => s.name))}), and there are ` +
      `${names.length} control planes (${list(names)})`;
    if (differs?.how !== how) {
      differs = { how, since: now() };
    }
    if (told === how || now() - differs.since < DIFFERS_MS) {
      return;
    }
    told = how;
    log(
      `bus: for ${DIFFERS_MS / 60_000} minutes ${how}: writes need ${Math.floor(servers.length / 2) + 1} of those ` +
        'servers',
    );
  };

  return async () => {
    const [servers, names] = [group(), registered()];
    if (servers === undefined || names === undefined) {
      gone.clear();
      differs = told = undefined;
      return;
    }
    const ids = new Set(names.map(serverId));
    compare(servers, names, ids);
    const absent = servers.filter((s) => !s.connected && !ids.has(s.id));
    for (const id of gone.keys()) {
      if (!absent.some((s) => s.id === id)) {
        gone.delete(id);
      }
    }
    for (const { id } of absent) {
      if (!gone.has(id)) {
        gone.set(id, now());
      }
    }
    const next = absent.find((s) => now() - (gone.get(s.id) ?? Infinity) >= afterMs);
    const left = servers.length - 1;
    if (next === undefined || servers.filter((s) => s.connected).length * 2 <= left) {
      return;
    }
    // Whatever comes of it: not at once again.
    gone.delete(next.id);
    const which =
      `the server of ${next.name}, which is no control plane any more and has not been connected for ` +
      `${Math.round(afterMs / 1000)} s`;
    try {
      await remove(next.id);
      log(`bus: removed ${which}: ${left} servers agree on the log from now on`);
    } catch (error) {
      log(`bus: could not remove ${which}: ${(error as Error).message}`);
    }
  };
}

/** Looks every few seconds. @returns ends it, and waits for a look that is under way. */
export function keepDeparted(options: DepartedOptions): () => Promise<void> {
  const look = watchDeparted(options);
  const stopped = new AbortController();
  const running = (async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await look();
      await sleep(EVERY_MS, undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  })();
  return async () => {
    stopped.abort();
    await running;
  };
}
