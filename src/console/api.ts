import type { LoginReply, LoginRequest, Overview, Problem, QueryBody, QueryLine, SessionReply } from '../cloud/api.ts';
import { API_PATHS, CLIENT_HEADER } from '../cloud/api-paths.ts';

/** An answer that was no success; the message is fit to be shown. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function send(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const response = await fetch(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { [CLIENT_HEADER]: 'console', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  }).catch((error: unknown) => {
    if (signal?.aborted === true) throw error;
    throw new ApiError(0, 'This instance of the cloud cannot be reached. Try the address of another control-plane node.');
  });
  if (response.ok) return response;
  const problem = (await response.json().catch(() => undefined)) as Problem | undefined;
  const first = problem?.errors?.[0];
  throw new ApiError(response.status, problem === undefined ? `The cloud answered ${response.status}.` : first === undefined ? problem.title : `${problem.title} ${first.path}: ${first.message}`);
}

/** @returns whether the password has to be changed before anything else is answered. */
export async function login(request: LoginRequest): Promise<{ mustChange: boolean }> {
  const reply = (await (await send(API_PATHS.login, request)).json()) as LoginReply;
  return { mustChange: reply.passwordChange === 'required' };
}

/** Ends all sessions of the user; the one that it opens is in the cookie. */
export async function changePassword(request: { current: string; password: string }): Promise<void> {
  await send(API_PATHS.password, request);
}

export async function logout(): Promise<void> {
  await send(API_PATHS.logout, {});
}

/** Not before a password that has to be changed was changed: until then nothing but that is possible. */
export async function isSignedIn(): Promise<boolean> {
  const reply = (await (await send(API_PATHS.session, undefined)).json()) as SessionReply;
  return reply.user !== null && reply.passwordChange !== 'required';
}

/** Runs a query and calls back for each line as it comes. */
export async function runQuery(body: QueryBody, onLine: (line: QueryLine) => void, signal: AbortSignal): Promise<void> {
  const response = await send(API_PATHS.queries, body, signal);
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') onLine(JSON.parse(line) as QueryLine);
  }
}

export interface Watch {
  close(): void;
}

/** Overviews as they change. `lost` is called when the connection breaks (the browser tries again by itself), `ended` when the session is over. */
export function watchOverview(handlers: { overview(overview: Overview): void; lost(): void; ended(): void }): Watch {
  const source = new EventSource(API_PATHS.watch);
  let retry: ReturnType<typeof setTimeout> | undefined;
  let inner: Watch | undefined;
  source.addEventListener('overview', (event) => handlers.overview(JSON.parse((event as MessageEvent<string>).data) as Overview));
  source.addEventListener('error', () => {
    handlers.lost();
    // An answer that was no stream, such as 401 or 503, is final for the browser.
    if (source.readyState !== EventSource.CLOSED || retry !== undefined) return;
    retry = setTimeout(() => {
      isSignedIn().then(
        (yes) => {
          if (yes) inner = watchOverview(handlers);
          else handlers.ended();
        },
        () => (inner = watchOverview(handlers)),
      );
    }, 2_000);
  });
  return {
    close() {
      clearTimeout(retry);
      source.close();
      inner?.close();
    },
  };
}
