import type { LoginReply, LoginRequest, PasswordChange, SessionReply } from '../api/access.ts';
import type { Problem } from '../api/problem.ts';
import type { QueryBody } from '../api/queries.ts';
import { API_PATHS, CLIENT_HEADER, MIN_SEQ_HEADER, SEQ_HEADER } from '../cloud/api-paths.ts';
import type { DirectQueryReply } from '../cloud/direct-api.ts';
import { linesOf, runBothWays, type AnyLine } from './direct.ts';
import type { Me } from './logic/access.ts';
import { sentenceOf } from './logic/problem.ts';

/** An answer that was no success; the message is fit to be shown. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * The highest position that a change of this page has come to: what is read afterwards must have seen it, whichever
 * instance answers.
 */
let written = 0;

/** @throws ApiError for any answer but success; what was thrown by an aborted signal */
export async function send(
  path: string,
  body: unknown,
  signal?: AbortSignal,
  method = body === undefined ? 'GET' : 'POST',
  headers: Record<string, string> = {},
): Promise<Response> {
  const response = await fetch(path, {
    method,
    headers: {
      [CLIENT_HEADER]: 'console',
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(method === 'GET' && written > 0 ? { [MIN_SEQ_HEADER]: String(written) } : {}),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  }).catch((error: unknown) => {
    if (signal?.aborted === true) {
      throw error;
    }
    throw new ApiError(
      0,
      'This instance of the cloud cannot be reached. Try the address of another control-plane node.',
    );
  });
  if (response.ok) {
    if (method !== 'GET') {
      written = Math.max(written, Number(response.headers.get(SEQ_HEADER) ?? 0));
    }
    return response;
  }
  const problem = (await response.json().catch(() => undefined)) as Problem | undefined;
  throw new ApiError(
    response.status,
    problem === undefined ? `The cloud answered ${response.status}.` : sentenceOf(problem),
  );
}

/** @returns whether the password has to be changed before anything else is answered, or should be. */
export async function login(request: LoginRequest): Promise<PasswordChange> {
  return ((await (await send(API_PATHS.login, request)).json()) as LoginReply).passwordChange;
}

/** While a password is being changed the old session is over and the cookie of the new one is still to come. */
let newCookie: Promise<unknown> = Promise.resolve();

/** Ends all sessions of the user; the one that it opens is in the cookie. */
export async function changePassword(request: { current: string; password: string }): Promise<void> {
  const answer = send(API_PATHS.password, request);
  newCookie = answer.catch(() => undefined);
  await answer;
}

export async function logout(): Promise<void> {
  await send(API_PATHS.logout, {});
}

/**
 * Who is logged in; nobody before a password that has to be changed was changed: until then nothing but that is
 * possible.
 */
export async function whoAmI(): Promise<Me | undefined> {
  await newCookie;
  const { user, role, scopes, passwordChange } = (await (
    await send(API_PATHS.session, undefined)
  ).json()) as SessionReply;
  return user === null || role === undefined || passwordChange === 'required'
    ? undefined
    : { user, role, scopes: scopes ?? [] };
}

/**
 * Runs a query, on satellites directly where that works, and calls back for each line as it comes, and for each
 * satellite with the way that it takes.
 */
export function runQuery(body: QueryBody, onLine: (line: AnyLine) => void, signal: AbortSignal): Promise<void> {
  return runBothWays(body, onLine, signal, {
    grants: async (asked) => (await (await send(API_PATHS.directQueries, asked, signal)).json()) as DirectQueryReply,
    async cloud(through, each) {
      for await (const line of linesOf(await send(API_PATHS.queries, through, signal))) {
        each(line);
      }
    },
    fetch: (url, init) => fetch(url, init),
    hostname: location.hostname,
    now: () => performance.now(),
  });
}
