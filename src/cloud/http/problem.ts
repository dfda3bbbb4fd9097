import { z } from 'zod';
import type { Problem } from '../../api/problem.ts';
import { Failure } from '../../errors.ts';
import { HTTP_STATUS } from '../../store/replica.ts';

/** An answer that is an error, as RFC 9457 wants it. `code` is stable. */
export class HttpProblem extends Error {
  override name = 'HttpProblem';
  readonly problem: Problem;
  readonly headers: Record<string, string>;

  constructor(
    status: number,
    code: string,
    title: string,
    extra: { detail?: string; errors?: NonNullable<Problem['errors']>; headers?: Record<string, string> } = {},
  ) {
    super(title);
    this.headers = extra.headers ?? {};
    this.problem = {
      type: `urn:terrarium:problem:${code}`,
      title,
      status,
      ...(extra.detail === undefined ? {} : { detail: extra.detail }),
      ...(extra.errors === undefined ? {} : { errors: extra.errors }),
    };
  }
}

const RETRY = { 'Retry-After': '2' };

/** The problem of a body, a query or a path that does not fit its schema. */
export function invalid(what: 'body' | 'query' | 'path', error: z.ZodError): HttpProblem {
  const errors = error.issues
    .slice(0, 50)
    .map((issue) => ({ path: issue.path.map(String).join('.'), message: issue.message }));
  // A path that no resource can have is one that is not there.
  if (what === 'path') {
    return new HttpProblem(404, 'not-found', 'There is nothing of that name.', { errors });
  }
  return new HttpProblem(400, `invalid-${what}`, 'The request is not valid.', { errors });
}

export const unauthorized = (title: string): HttpProblem =>
  new HttpProblem(401, 'unauthorized', title, { headers: { 'WWW-Authenticate': 'Bearer' } });
export const forbidden = (title: string): HttpProblem => new HttpProblem(403, 'forbidden', title);
export const notFound = (title: string): HttpProblem => new HttpProblem(404, 'not-found', title);
export const badCursor = (): HttpProblem =>
  new HttpProblem(400, 'invalid-query', 'The request is not valid.', {
    errors: [{ path: 'cursor', message: 'This is no cursor of a page.' }],
  });
/** @param wait milliseconds */
export function tooMany(title: string, wait: number): HttpProblem {
  const seconds = Math.ceil(wait / 1000);
  return new HttpProblem(429, 'too-many-logins', `${title} Try again in ${seconds} s.`, {
    headers: { 'Retry-After': String(seconds) },
  });
}

export const unavailable = (code: string, title: string): HttpProblem =>
  new HttpProblem(503, code, title, { headers: RETRY });

/** A Failure of the state as an answer; undefined for what is no failure of the kind that a client is told of. */
export function problemOf(error: unknown): HttpProblem | undefined {
  if (error instanceof HttpProblem) {
    return error;
  }
  if (!(error instanceof Failure)) {
    return undefined;
  }
  if (error.code === 'starting' || error.code === 'busy') {
    return unavailable(error.code, error.message);
  }
  const status = HTTP_STATUS[error.code];
  if (status === undefined) {
    return undefined;
  }
  const detail = error.remedy;
  return new HttpProblem(status, error.code, error.message, {
    ...(detail === undefined ? {} : { detail }),
    ...(status === 503 ? { headers: RETRY } : {}),
  });
}
