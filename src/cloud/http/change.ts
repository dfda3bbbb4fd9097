import type { Context } from 'koa';
import type { Json } from '../../store/kind.ts';
import { HTTP_STATUS } from '../../store/replica.ts';
import { ULID } from '../../store/ulid.ts';
import { COMMAND_HEADER, SEQ_HEADER } from '../api-paths.ts';
import type { Caller } from '../auth/access.ts';
import type { CloudContext } from '../context.ts';
import { HttpProblem } from './problem.ts';

export interface Change {
  kind: string;
  args: unknown;
  /**
   * The resource whose version the client may name, and the version in the body or query where it has done so there.
   */
  on?: { resource: string; expect: number | undefined };
  /** The client's id of the command is not taken: of a route that says `unrepeatable`. */
  always?: true;
}

/**
 * Proposes a change for a request and sets the header of its position.
 * @throws HttpProblem where it is refused; Failure of the state.
 */
export async function change(
  request: { ctx: Context; cloud: CloudContext; caller: Pick<Caller, 'actor'> },
  { kind, args, on, always }: Change,
): Promise<Json | undefined> {
  const { ctx, cloud, caller } = request;
  const match = on === undefined ? undefined : ifMatch(ctx);
  const version = match ?? on?.expect;
  const { position, result } = await cloud.state.replica().propose({
    kind,
    args,
    actor: caller.actor,
    ...(on === undefined || version === undefined ? {} : { expect: { resource: on.resource, version } }),
    ...(always === true ? {} : commandId(ctx)),
  });
  ctx.set(SEQ_HEADER, String(position));
  if (result.ok) {
    return result.value;
  }
  if (result.code === 'version-conflict' && match !== undefined) {
    throw new HttpProblem(412, result.code, result.message);
  }
  // A version of something that is not there: that is the news, not the version.
  if (result.code === 'version-conflict' && result.message.includes('has version 0,')) {
    throw new HttpProblem(404, 'not-found', 'There is nothing of that name.');
  }
  const status = HTTP_STATUS[result.code] ?? 409;
  throw new HttpProblem(status, result.code, result.message, status === 503 ? { headers: { 'Retry-After': '2' } } : {});
}

/** Whether the client may have sent the same change before. */
export const isRepetition = (ctx: Context): boolean => ctx.get(COMMAND_HEADER) !== '';

function commandId(ctx: Context): { id?: string } {
  const id = ctx.get(COMMAND_HEADER);
  if (id === '') {
    return {};
  }
  if (!ULID.test(id)) {
    throw new HttpProblem(400, 'invalid-header', `The header ${COMMAND_HEADER} is no ULID.`);
  }
  return { id };
}

/** The version of `If-Match: "17"`. */
function ifMatch(ctx: Context): number | undefined {
  const given = ctx.get('if-match');
  if (given === '') {
    return undefined;
  }
  const version = /^"(\d{1,15})"$/.exec(given)?.[1];
  if (version === undefined) {
    throw new HttpProblem(400, 'invalid-header', 'The header If-Match is no version as in ETag.');
  }
  return Number(version);
}

export function setVersion(ctx: Context, { version }: { version: number }): void {
  ctx.set('ETag', `"${version}"`);
}
