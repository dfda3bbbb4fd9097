import { userName } from '../../store/fields.ts';

/** Each name is told with each address at most once in this time, with how often it was. */
const EACH_MS = 60_000;
/**
 * Entries that may be told at once, and how soon there may be another one: whoever tries names all day neither fills
 * the log nor drives anything out of it.
 */
const BURST = 20;
const REFILL_MS = 60_000;
/** All that was not told by itself, as one entry, so often. */
const REST_MS = 10 * 60_000;
const MAX_WATCHED = 1_000;
const TICK_MS = 1_000;

/** In the place of what was typed as a name and can be none: it may be the password, in the wrong field. */
const NO_NAME = '(no user name)';

/** What is told of one name and one address; both `*` for the rest of them. Times in milliseconds since 1970. */
export interface FailedLogins {
  user: string;
  address: string;
  count: number;
  first: number;
  last: number;
}

export interface FailedLoginsOptions {
  /** Puts an entry into the audit log. */
  record(entry: FailedLogins): Promise<unknown>;
  /** For the metric: so many are in the audit log by name and address, or not. */
  counted(n: number, recorded: boolean): void;
  log(line: string): void;
  now?: () => number;
}

/**
 * Refused logins on their way to the audit log. Nobody waits for that, and it is the same whether there is such a user
 * or not.
 */
export interface FailedLoginCounter {
  failed(user: string, address: string): void;
  /** What is due; called by itself each second. */
  tick(): void;
  stop(): void;
}

export function createFailedLogins({ record, counted, log, now = Date.now }: FailedLoginsOptions): FailedLoginCounter {
  /** Since the last entry of each; count 0 where there was none since. */
  const watched = new Map<string, FailedLogins & { due: number }>();
  let rest = { count: 0, first: 0, last: 0 };
  let restDue = 0;
  let tokens = BURST;
  let refilled = now();

  const write = (entry: FailedLogins): void => {
    record(entry).catch((error: Error) => log(`audit: failed logins were not recorded: ${error.message}`));
  };
  const mayWrite = (): boolean => {
    const gained = Math.floor((now() - refilled) / REFILL_MS);
    if (gained > 0) {
      tokens = Math.min(BURST, tokens + gained);
      refilled += gained * REFILL_MS;
    }
    if (tokens < 1) {
      return false;
    }
    tokens -= 1;
    return true;
  };
  const addToRest = ({ count, first, last }: Pick<FailedLogins, 'count' | 'first' | 'last'>): void => {
    counted(count, false);
    if (rest.count === 0) {
      restDue = now() + REST_MS;
    }
    rest = { count: rest.count + count, first: rest.count === 0 ? first : rest.first, last };
  };
  const tell = ({ user, address, count, first, last }: FailedLogins): void => {
    if (!mayWrite()) {
      return addToRest({ count, first, last });
    }
    counted(count, true);
    write({ user, address, count, first, last });
  };
  const tick = (): void => {
    const at = now();
    for (const [key, entry] of watched) {
      if (entry.due > at) {
        continue;
      }
      if (entry.count === 0) {
        watched.delete(key);
      } else {
        tell(entry);
        watched.set(key, { ...entry, count: 0, due: at + EACH_MS });
      }
    }
    if (rest.count > 0 && restDue <= at && mayWrite()) {
      write({ user: '*', address: '*', ...rest });
      rest = { count: 0, first: 0, last: 0 };
    }
  };
  const timer = setInterval(tick, TICK_MS);
  timer.unref();
  return {
    failed(typed, address) {
      const at = now();
      const user = userName.safeParse(typed).success ? typed : NO_NAME;
      const key = `${address}\n${user}`;
      const entry = watched.get(key);
      if (entry !== undefined) {
        watched.set(key, { ...entry, count: entry.count + 1, first: entry.count === 0 ? at : entry.first, last: at });
        return;
      }
      const one = { user, address: printable(address), count: 1, first: at, last: at };
      if (watched.size >= MAX_WATCHED) {
        return addToRest(one);
      }
      watched.set(key, { ...one, count: 0, due: at + EACH_MS });
      tell(one);
    },
    tick,
    stop: () => clearInterval(timer),
  };
}

/** As it is shown: whoever reads the log is not to be led astray by what somebody sent. */
const printable = (text: string): string =>
  text
    .slice(0, 64)
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')
    .toWellFormed();
