import type { KeyObject } from 'node:crypto';
import { isSignedBy, readToken, sqlHash, type Claims } from '../../bus/direct-token.ts';
import { MAX_SKEW_MS } from '../../bus/direct.ts';

/** Tokens that are remembered, so that none is good twice. */
const MAX_REMEMBERED = 10_000;

export type Verdict = { claims: Claims } | { status: 401 | 403 | 429; code: string; message: string };

/** What a token is judged by. */
export interface JudgeOptions {
  sat: string;
  now(): number;
  /** When this process began to remember tokens, by the clock here: one from before may have been used already. */
  since: number;
  /** The instances' keys by name. */
  key(name: string): KeyObject | undefined;
  /** Milliseconds by which the clock here is ahead of the cloud's, as measured; undefined while it is not known. */
  ahead(): number | undefined;
}

export interface Judge {
  /** Name of the token's key where that key is not known: the caller may learn it and ask again. */
  unknownKey(token: string): string | undefined;
  /** Who it is from and for, and its time: all that can be said without the statement. Uses nothing up. */
  check(token: string): Verdict;
  /** A token that is accepted is used up. */
  judge(token: string, sql: string): Verdict;
}

const seconds = (ms: number): string => `${Math.round(Math.abs(ms) / 1000)} s`;

const denied = (message: string, code = 'direct.token'): Verdict => ({ status: 401, code, message });

/** Tells why a token comes too early or too late, and by which clock; undefined where it comes in time. */
function judgeTime(sat: string, claims: Claims, at: number, skew: number | undefined): Verdict | undefined {
  if (claims.from - at > MAX_SKEW_MS) {
    return denied(
      `The clock of ${sat} is ${seconds(claims.from - at)} behind the cloud's; at most ${seconds(MAX_SKEW_MS)} ` +
        'are allowed. Set the clock of that machine.',
      'direct.clock',
    );
  }
  if (at <= claims.until) {
    return undefined;
  }
  if (skew !== undefined && skew > MAX_SKEW_MS) {
    return denied(
      `The clock of ${sat} is ${seconds(skew)} ahead of the cloud's; at most ${seconds(MAX_SKEW_MS)} are ` +
        'allowed. Set the clock of that machine.',
      'direct.clock',
    );
  }
  return denied(`The token ended ${seconds(at - claims.until)} ago by the clock of ${sat}.`);
}

/** Begins to remember the tokens that are used. */
export function createJudge({ sat, now, since, key, ahead }: JudgeOptions): Judge {
  /** Until when each token would be good. */
  const used = new Map<string, number>();
  const forget = (at: number): void => {
    for (const [id, until] of used) {
      if (until < at) {
        used.delete(id);
      }
    }
  };

  const check = (token: string): Verdict => {
    const read = readToken(token);
    if (read === undefined) {
      return denied('This is no token of a direct query.');
    }
    const { claims } = read;
    const by = key(claims.key);
    if (by === undefined) {
      return denied('The token is of an instance of the cloud that is not known here.');
    }
    if (!isSignedBy(read, by)) {
      return denied('The token is not signed by the cloud.');
    }
    if (claims.sat !== sat) {
      return denied(`The token is for ${claims.sat}, and this is ${sat}.`);
    }
    const wrongTime = judgeTime(sat, claims, now(), ahead());
    if (wrongTime !== undefined) {
      return wrongTime;
    }
    // When it was made is by the cloud's clock. As long as the difference is not known it may be the largest that is
    // allowed.
    if (claims.from + (ahead() ?? -MAX_SKEW_MS) < since) {
      return denied(`The token was made before ${sat} was started, and may have been used then.`);
    }
    return { claims };
  };

  return {
    unknownKey(token) {
      const name = readToken(token)?.claims.key;
      return name === undefined || key(name) !== undefined ? undefined : name;
    },
    check,
    judge(token, sql) {
      const checked = check(token);
      if (!('claims' in checked)) {
        return checked;
      }
      const { claims } = checked;
      if (claims.sql !== sqlHash(sql)) {
        return { status: 403, code: 'direct.sql', message: 'The token is for another statement.' };
      }
      if (used.has(claims.id)) {
        return denied('The token has been used already.');
      }
      if (used.size >= MAX_REMEMBERED) {
        forget(now());
      }
      if (used.size >= MAX_REMEMBERED) {
        return { status: 429, code: 'direct.busy', message: `${sat} has been asked too often in the last minute.` };
      }
      used.set(claims.id, claims.until);
      return checked;
    },
  };
}
