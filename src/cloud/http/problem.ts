import { z } from 'zod';
import type { Problem } from '../api.ts';

/** An answer that is an error, as RFC 9457 wants it. `code` is stable. */
export class HttpProblem extends Error {
  override name = 'HttpProblem';
  readonly problem: Problem;
  readonly headers: Record<string, string>;

  constructor(status: number, code: string, title: string, extra: { detail?: string; errors?: Problem['errors']; headers?: Record<string, string> } = {}) {
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

/** The problem of a body that does not fit its schema. */
export function invalidBody(error: z.ZodError): HttpProblem {
  return new HttpProblem(400, 'invalid-body', 'The request is not valid.', {
    errors: error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message })),
  });
}
