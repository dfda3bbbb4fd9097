import { isMedia, type Route } from '../../../../src/cloud/http/route.ts';
import type { Got } from './client.ts';

/** Returns the fault of an answer; undefined where it has none. */
export function wrong(route: Route, got: Got): string | undefined {
  if (got.status >= 500 && got.status !== 503 && got.status !== 507) {
    return `status ${got.status}`;
  }
  if (/\n\s+at .+:\d+:\d+|node_modules|\.ts:\d+|SqliteError|SQLITE_/.test(got.body)) {
    return 'a stack trace, or something of the kind';
  }
  if (got.status >= 400) {
    if (!got.type.startsWith('application/problem+json')) {
      return `no problem but ${got.type}`;
    }
    const { type, title, status, requestId } = JSON.parse(got.body) as {
      type?: string;
      title?: string;
      status?: number;
      requestId?: string;
    };
    return /^urn:terrarium:problem:[a-z][a-z-]*$/.test(type ?? '') &&
      (title ?? '').length > 5 &&
      status === got.status &&
      (requestId ?? '').length > 0
      ? undefined
      : 'not a whole problem';
  }
  if (route.reply === undefined) {
    return got.status === 204 && got.body === '' ? undefined : `status ${got.status} with content`;
  }
  if (isMedia(route.reply)) {
    return got.type.startsWith(route.reply.type) ? undefined : `the type is ${got.type}`;
  }
  const parsed = route.reply.safeParse(JSON.parse(got.body));
  return parsed.success ? undefined : `the answer is not as described: ${parsed.error.message}`;
}
