import { randomBytes } from 'node:crypto';
import { hashSecret } from './tokens.ts';

/** How long a session lasts at most, and unused, in milliseconds. */
export const SESSION_MS = 12 * 60 * 60 * 1000;
export const IDLE_MS = 30 * 60 * 1000;
/** Other instances are told of a session's use at most so often. */
const TELL_MS = 60_000;

/** A new session's token `trs_<256 random bits>` and its id, the token's hash, which is all that is stored. */
export function createSession(): { token: string; id: string } {
  const token = `trs_${randomBytes(32).toString('base64url')}`;
  return { token, id: hashSecret(token) };
}

/**
 * A session's token as clients have it, `TOKEN.POSITION`: an instance that has not applied its making yet knows what to
 * wait for.
 */
export function withPosition(token: string, position: number): string {
  return `${token}.${position.toString(36)}`;
}

/** The position counts for waiting only, so that nothing depends on whether a client has changed it. */
export function splitPosition(text: string): { token: string; position: number } {
  const [token = '', suffix = ''] = text.split('.');
  const position = /^[0-9a-z]{1,10}$/.test(suffix) ? Number.parseInt(suffix, 36) : 0;
  return { token, position };
}

/** When sessions were used last: in memory, told to the other instances by the way, never in the log. */
export interface SessionUse {
  /** Notes a use now. @returns whether the session had been idle for too long, and is over. */
  use(id: string, createdAt: number): boolean;
  /** As `use`, without using it: whether it is over. */
  idle(id: string, createdAt: number): boolean;
  /** Another instance has seen a use at this time. */
  heard(id: string, at: number): void;
  /** How others are told; there may be no way yet. */
  tellBy(tell: (id: string, at: number) => void): void;
}

/** @param now milliseconds since 1970 */
export function trackSessions(now: () => number = Date.now): SessionUse {
  const used = new Map<string, number>();
  const told = new Map<string, number>();
  // What was used before this instance started it cannot know: such a session has its full time from here on.
  const startedAt = now();
  let tell: (id: string, at: number) => void = () => undefined;
  const idle = (id: string, createdAt: number): boolean =>
    now() - Math.max(used.get(id) ?? 0, createdAt, startedAt) > IDLE_MS;
  const forget = (): void => {
    for (const [id, at] of used) {
      if (now() - at <= SESSION_MS) {
        continue;
      }
      used.delete(id);
      told.delete(id);
    }
  };
  return {
    idle,
    use(id, createdAt) {
      if (idle(id, createdAt)) {
        return true;
      }
      if (!used.has(id)) {
        forget();
      }
      used.set(id, now());
      if (now() - (told.get(id) ?? -Infinity) >= TELL_MS) {
        told.set(id, now());
        tell(id, now());
      }
      return false;
    },
    heard(id, at) {
      // A clock that is ahead must not give a session more time than it has.
      used.set(id, Math.max(used.get(id) ?? 0, Math.min(at, now())));
    },
    tellBy: (way) => void (tell = way),
  };
}
