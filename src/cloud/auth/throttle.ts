/** Failed logins: five are free, then each doubles the wait, up to a minute; it never locks anybody out for good. */
const FREE = 5;
const LONGEST_MS = 60_000;
const FORGET_MS = 15 * 60_000;
/** Attempts of one address in a minute, whatever the user's name. */
const PER_MINUTE = 50;
const MAX_ENTRIES = 10_000;

interface Entry {
  failures: number;
  /** No attempt is looked at before. */
  until: number;
  touched: number;
}

export interface Throttle {
  /** Milliseconds to wait before this attempt is looked at; 0: now. Counts it. */
  attempt(user: string, address: string): number;
  failed(user: string, address: string): void;
  succeeded(user: string, address: string): void;
}

export function createThrottle(now: () => number = Date.now): Throttle {
  const entries = new Map<string, Entry>();
  const minutes = new Map<string, { start: number; count: number }>();
  const key = (user: string, address: string): string => `${address}\n${user}`;
  const tidy = (): void => {
    const t = now();
    for (const [k, e] of entries) if (t - e.touched > FORGET_MS || entries.size > MAX_ENTRIES) entries.delete(k);
    for (const [k, m] of minutes) if (t - m.start > 60_000 || minutes.size > MAX_ENTRIES) minutes.delete(k);
  };
  return {
    attempt(user, address) {
      tidy();
      const minute = minutes.get(address) ?? { start: now(), count: 0 };
      minutes.set(address, { ...minute, count: minute.count + 1 });
      if (minute.count >= PER_MINUTE) return minute.start + 60_000 - now();
      return Math.max(0, (entries.get(key(user, address))?.until ?? 0) - now());
    },
    failed(user, address) {
      const k = key(user, address);
      const failures = (entries.get(k)?.failures ?? 0) + 1;
      const wait = failures < FREE ? 0 : Math.min(LONGEST_MS, 1000 * 2 ** (failures - FREE));
      entries.set(k, { failures, until: now() + wait, touched: now() });
    },
    succeeded(user, address) {
      entries.delete(key(user, address));
    },
  };
}
