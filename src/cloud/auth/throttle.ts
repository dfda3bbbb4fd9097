import { clientOf } from '../../client-address.ts';

/** Failed logins: five are free, then each doubles the wait, up to a minute; it never locks anybody out for good. */
const FREE = 5;
const LONGEST_MS = 60_000;
const FORGET_MS = 15 * 60_000;
/** Attempts of one client in a minute, by names that have not logged in from there. */
const PER_MINUTE = 50;
const MINUTE_MS = 60_000;
const MAX_ENTRIES = 10_000;

/** Of a name that one client tries: attempts since the last login that succeeded. */
interface Entry {
  failures: number;
  last: number;
}

/**
 * Slows guessing down, by name and client (`clientOf`): what one client does never holds up another. Behind one address
 * somebody who keeps guessing makes the names wait there that he guesses, and those that have never logged in from
 * there.
 */
export interface Throttle {
  /**
   * Milliseconds until an attempt may be made; 0: now. Then it counts as failed at once, so that many at the same time
   * are no more than one after the other; one that has to wait counts for nothing, so that it makes nobody wait longer.
   * @param address of the client, or whatever else tells who tries
   */
  attempt(user: string, address: string): number;
  succeeded(user: string, address: string): void;
  /** The wait for the next one begins when its answer is there. */
  failed(user: string, address: string): void;
  /** The password of an attempt was not looked at after all: it does not count. */
  unseen(user: string, address: string): void;
}

/** @param now milliseconds that only grow */
export function createThrottle(now: () => number = () => performance.now()): Throttle {
  const entries = new Map<string, Entry>();
  const minutes = new Map<string, { start: number; count: number }>();
  /** When names logged in last, from where. */
  const known = new Map<string, number>();
  const key = (user: string, client: string): string => `${client}\n${user}`;
  const waitOf = ({ failures, last }: Entry): number =>
    failures < FREE ? 0 : last + Math.min(LONGEST_MS, 1000 * 2 ** (failures - FREE)) - now();
  const tidy = (): void => {
    const t = now();
    for (const [k, e] of entries) {
      if (t - e.last > FORGET_MS || entries.size > MAX_ENTRIES) {
        entries.delete(k);
      }
    }
    for (const [k, m] of minutes) {
      if (t - m.start >= MINUTE_MS || minutes.size > MAX_ENTRIES) {
        minutes.delete(k);
      }
    }
  };
  return {
    attempt(user, address) {
      tidy();
      const client = clientOf(address);
      const k = key(user, client);
      const entry = entries.get(k) ?? { failures: 0, last: 0 };
      const wait = waitOf(entry);
      if (wait > 0) {
        return wait;
      }
      if (!known.has(k)) {
        const minute = minutes.get(client) ?? { start: now(), count: 0 };
        if (minute.count >= PER_MINUTE) {
          return minute.start + MINUTE_MS - now();
        }
        minutes.set(client, { ...minute, count: minute.count + 1 });
      }
      // The one that was tried longest ago is first.
      entries.delete(k);
      entries.set(k, { failures: entry.failures + 1, last: now() });
      return 0;
    },
    succeeded(user, address) {
      const k = key(user, clientOf(address));
      entries.delete(k);
      known.delete(k);
      known.set(k, now());
      for (const oldest of known.keys()) {
        if (known.size <= MAX_ENTRIES) {
          break;
        }
        known.delete(oldest);
      }
    },
    failed(user, address) {
      const entry = entries.get(key(user, clientOf(address)));
      if (entry !== undefined) {
        entry.last = now();
      }
    },
    unseen(user, address) {
      const client = clientOf(address);
      const entry = entries.get(key(user, client));
      if (entry !== undefined) {
        entry.failures -= 1;
      }
      const minute = minutes.get(client);
      if (minute !== undefined && !known.has(key(user, client))) {
        minute.count -= 1;
      }
    },
  };
}
