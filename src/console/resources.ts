import type { Role, Scope } from '../api/access.ts';
import type { AuditEntry } from '../api/audit.ts';
import type { Page } from '../api/page.ts';
import type { FleetTable, SatelliteChange, SatelliteInfo, SatellitePage } from '../api/satellites.ts';
import type { SavedQuery } from '../api/saved-queries.ts';
import type { Schedule, ScheduleBody, ScheduleRun } from '../api/schedules.ts';
import type { SessionInfo, Token, User } from '../api/users.ts';
import { API_PATHS, COMMAND_HEADER, ENROLMENT_PATHS } from '../cloud/api-paths.ts';
import type { EnrolmentToken, EnrolmentTokenReply, ManifestReply } from '../cloud/satellites-api.ts';
import { ulid } from '../store/ulid.ts';
import { ApiError, send } from './api.ts';
import { linesOf } from './direct.ts';
import { addLine, emptyResult, type Result } from './logic/result.ts';
import type { FleetQuery } from './logic/satellite-list.ts';

const PAGE = 500;
/** A list is read to its end up to so many pages. */
const MOST_PAGES = 20;
const TRIES = 3;
const PAUSE_MS = 1_000;

const at = (path: string, key: string, rest = ''): string => `${path}/${encodeURIComponent(key)}${rest}`;

async function readPage<T>(path: string, query: Record<string, string>): Promise<Page<T>> {
  return (await (await send(`${path}?${new URLSearchParams(query).toString()}`, undefined)).json()) as Page<T>;
}

async function readAll<T>(path: string, query: Record<string, string> = {}): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  for (let n = 0; n < MOST_PAGES; n += 1) {
    const page: Page<T> = await readPage<T>(path, {
      ...query,
      limit: String(PAGE),
      ...(cursor === null ? {} : { cursor }),
    });
    items.push(...page.items);
    cursor = page.next;
    if (cursor === null) {
      break;
    }
  }
  return items;
}

/**
 * A change; where no answer comes, or the instance is just going away, the same one is sent again: by its id it is
 * carried out once.
 */
async function change(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<Response> {
  const id = ulid(Date.now(), crypto.getRandomValues(new Uint8Array(10)));
  for (let n = 1; ; n += 1) {
    try {
      return await send(path, body, undefined, method, { [COMMAND_HEADER]: id });
    } catch (error) {
      if (!(error instanceof ApiError) || (error.status !== 0 && error.status !== 503) || n === TRIES) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

export const listUsers = (): Promise<User[]> => readAll<User>(API_PATHS.users);

export async function createUser(user: { name: string; role: Role; password: string }): Promise<void> {
  await change('POST', API_PATHS.users, user);
}

/** Either a role or whether disabled, or a password that has to be changed at the next login. */
export async function changeUser(
  name: string,
  what: { role?: Role; disabled?: boolean; password?: string; expect?: number },
): Promise<void> {
  await change('PATCH', at(API_PATHS.users, name), what);
}

export async function deleteUser(name: string): Promise<void> {
  await change('DELETE', at(API_PATHS.users, name));
}

/** @returns how many there were. */
export async function endSessionsOf(name: string): Promise<number> {
  return ((await (await change('DELETE', at(API_PATHS.users, name, '/sessions'))).json()) as { ended: number }).ended;
}

/** Of one user; of all that the caller may see without. */
export const listSessions = (user?: string): Promise<SessionInfo[]> =>
  readAll<SessionInfo>(API_PATHS.sessions, user === undefined ? {} : { user });

export async function endSession(id: string): Promise<void> {
  await change('DELETE', at(API_PATHS.sessions, id));
}

export const listTokens = (): Promise<Token[]> => readAll<Token>(API_PATHS.tokens);

/** @returns the token itself, which is shown nowhere else. */
export async function createToken(what: { name: string; scopes: Scope[]; days: number }): Promise<string> {
  return ((await (await change('POST', API_PATHS.tokens, what)).json()) as { token: string }).token;
}

export async function deleteToken(id: string): Promise<void> {
  await change('DELETE', at(API_PATHS.tokens, id));
}

export const listSavedQueries = (): Promise<SavedQuery[]> => readAll<SavedQuery>(API_PATHS.savedQueries);

/** Saves under a new id, or over what has that one. */
export async function saveQuery(query: { name: string; sql: string; over?: SavedQuery }): Promise<SavedQuery> {
  const { name, sql, over } = query;
  const id = over?.id ?? ulid(Date.now(), crypto.getRandomValues(new Uint8Array(10)));
  const body = { name, sql, ...(over === undefined ? {} : { details: over.details, expect: over.version }) };
  return (await (await change('PUT', at(API_PATHS.savedQueries, id), body)).json()) as SavedQuery;
}

export async function deleteSavedQuery(id: string): Promise<void> {
  await change('DELETE', at(API_PATHS.savedQueries, id));
}

/** One page of the audit log, the newest first. */
export const readAudit = (filter: {
  resource?: string;
  actor?: string;
  cursor?: string;
  limit: number;
}): Promise<Page<AuditEntry>> =>
  readPage<AuditEntry>(
    API_PATHS.audit,
    Object.fromEntries(Object.entries({ ...filter, limit: String(filter.limit) }).filter(([, v]) => v !== '')),
  );

export const listEnrolmentTokens = (): Promise<EnrolmentToken[]> => readAll<EnrolmentToken>(ENROLMENT_PATHS.tokens);

export async function createEnrolmentToken(what: {
  minutes: number;
  tags: Record<string, string>;
}): Promise<EnrolmentTokenReply> {
  return (await (await change('POST', ENROLMENT_PATHS.tokens, what)).json()) as EnrolmentTokenReply;
}

/** @returns YAML for another cluster, with a token in it. */
export async function createManifest(what: {
  id: string;
  minutes: number;
  tags: Record<string, string>;
}): Promise<string> {
  return ((await (await change('POST', ENROLMENT_PATHS.manifests, what)).json()) as ManifestReply).manifest;
}

export async function deleteEnrolmentToken(id: string): Promise<void> {
  await change('DELETE', at(ENROLMENT_PATHS.tokens, id));
}

const parameters = (query: object): Record<string, string> =>
  Object.fromEntries(
    Object.entries(query)
      .filter(([, v]) => v !== undefined && v !== '')
      .map(([k, v]) => [k, String(v)]),
  );

/**
 * A page of the satellites, without their tables unless they are asked for; more than the cloud puts on one is put
 * together here.
 */
export async function readSatellites({ limit, tables = 'none', ...rest }: FleetQuery): Promise<SatellitePage> {
  const items: SatelliteInfo[] = [];
  let page: SatellitePage | undefined;
  do {
    const cursor: string | undefined = page?.next ?? rest.cursor;
    page = (await readPage<SatelliteInfo>(
      API_PATHS.satellites,
      parameters({ ...rest, tables, cursor, limit: Math.min(PAGE, limit - items.length) }),
    )) as SatellitePage;
    items.push(...page.items);
  } while (page.next !== null && items.length < limit);
  return { items, next: page.next, matched: page.matched };
}

/** The tables of these satellites, or of all that are heard, and of how many. */
export async function readTables(
  ids: readonly string[] | undefined,
): Promise<{ items: FleetTable[]; satellites: number }> {
  return (await (
    await send(
      `${API_PATHS.tables}?${new URLSearchParams(parameters({ satellites: ids?.join() })).toString()}`,
      undefined,
    )
  ).json()) as { items: FleetTable[]; satellites: number };
}

/** The last changes of its state, the newest first. */
export const readStates = (id: string): Promise<SatelliteChange[]> =>
  readAll<SatelliteChange>(at(API_PATHS.satellites, id, '/states'));

/** Of one that nothing was said of yet the cloud makes a record first, so that no version can be expected. */
export async function changeSatellite(
  { id, revision }: SatelliteInfo,
  what: { name?: string; tags?: Record<string, string>; access?: SatelliteInfo['access'] },
): Promise<void> {
  await change('PATCH', at(API_PATHS.satellites, id), { ...what, ...(revision === 0 ? {} : { expect: revision }) });
}

export async function revokeSatellite(id: string, reason: string): Promise<void> {
  await change(
    'POST',
    at(API_PATHS.satellites, id, `/revoke${reason === '' ? '' : `?${new URLSearchParams({ reason }).toString()}`}`),
  );
}

/** What was said of it is forgotten, a revocation too. */
export async function forgetSatellite(id: string): Promise<void> {
  await change('DELETE', at(API_PATHS.satellites, id));
}

export const listSchedules = (): Promise<Schedule[]> => readAll<Schedule>(API_PATHS.schedules);

/**
 * @returns undefined where there is none of this id; it is looked for in the list, since a browser logs every answer
 *   that something is not there
 */
export async function readSchedule(id: string): Promise<{ schedule: Schedule; runs: ScheduleRun[] } | undefined> {
  const schedule = (await listSchedules()).find((s) => s.id === id);
  return schedule === undefined
    ? undefined
    : { schedule, runs: (await readPage<ScheduleRun>(at(API_PATHS.schedules, id, '/runs'), {})).items };
}

/** The answers of a run that are kept, as its query gave them. */
export async function readRun({ schedule, number }: ScheduleRun): Promise<Result> {
  const result = emptyResult([]);
  for await (const line of linesOf(await send(at(API_PATHS.schedules, schedule, `/runs/${number}/lines`), undefined))) {
    addLine(result, line, Number.POSITIVE_INFINITY);
  }
  return result;
}

export async function putSchedule(id: string, body: ScheduleBody): Promise<Schedule> {
  return (await (await change('PUT', at(API_PATHS.schedules, id), body)).json()) as Schedule;
}

export async function pauseSchedule({ id, version }: Schedule, paused: boolean): Promise<void> {
  await change('PATCH', at(API_PATHS.schedules, id), { paused, expect: version });
}

export async function deleteSchedule(id: string): Promise<void> {
  await change('DELETE', at(API_PATHS.schedules, id));
}

/** Has it run now. */
export async function runSchedule(id: string): Promise<ScheduleRun> {
  return (await (await change('POST', at(API_PATHS.schedules, id, '/runs'))).json()) as ScheduleRun;
}
