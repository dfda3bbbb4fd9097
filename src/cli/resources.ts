import type { AuditEntry } from '../api/audit.ts';
import type { ApplicationInfo, CloudInfo, NodeInfo, Overview, PodInfo } from '../api/overview.ts';
import type { Page } from '../api/page.ts';
import type { SatelliteInfo } from '../api/satellites.ts';
import type { SavedQuery } from '../api/saved-queries.ts';
import type { Schedule } from '../api/schedules.ts';
import type { SessionInfo, Token, User } from '../api/users.ts';
import type { Topic } from '../api/watch.ts';
import { API_PATHS, ENROLMENT_PATHS } from '../cloud/api-paths.ts';
import type { EnrolmentToken } from '../cloud/satellites-api.ts';
import type { CloudClient } from '../context/client.ts';
import { duration } from '../context/diagnosis.ts';
import { EXIT, Failure, explain, failureData } from '../errors.ts';
import { intervalText } from '../interval-text.ts';

/** A kind of thing that `get`, `describe` and `delete` know. */
export interface Kind<Item = unknown> {
  /** As in `terrarium get NAME`, and the first part of `-o name`. */
  name: string;
  aliases: string[];
  path: string;
  key(item: Item): string;
  /** Headings and cells of the table. */
  columns: Record<string, (item: Item, now: number) => unknown>;
  /** More of them with `-o wide`. */
  wide: Record<string, (item: Item, now: number) => unknown>;
  /** Where it is in the state: its topic of a watch. */
  topic?: Topic;
  /** Else: whether a watch tells it as the fleet; or where it is in an overview. */
  fleet?: true;
  overview?: (overview: Overview) => Item[];
  /** What the audit log calls it: the first part of a resource's name there. */
  resource?: string;
  /** Whether one can be asked for by itself. */
  single: boolean;
  deletable: boolean;
}

const ago = (time: string, now: number): string => `${duration(now - Date.parse(time))} ago`;
const until = (time: string, now: number): string =>
  Date.parse(time) <= now ? 'ended' : `in ${duration(Date.parse(time) - now)}`;
const tagsText = (tags: Record<string, string>): string =>
  Object.entries(tags)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(',');
const yes = (value: boolean): string => (value ? 'yes' : 'no');
const kind = <Item>(definition: Kind<Item>): Kind => definition as unknown as Kind;

const nextRun = (time: string | null, now: number): string => {
  if (time === null) {
    return '';
  }
  return Date.parse(time) <= now ? 'now' : until(time, now);
};

const KINDS: Kind[] = [
  kind<NodeInfo>({
    name: 'nodes',
    aliases: ['node'],
    path: API_PATHS.nodes,
    key: (n) => n.name,
    single: false,
    deletable: false,
    overview: (o) => o.nodes,
    columns: {
      NAME: (n) => n.name,
      ADDRESS: (n) => n.address,
      ROLE: (n) => n.role,
      STATE: (n) => (n.ready ? 'Ready' : 'NotReady'),
      VERSION: (n) => n.version,
    },
    wide: { SINCE: (n, now) => (n.createdAt === '' ? '' : ago(n.createdAt, now)), REASON: (n) => n.reason },
  }),
  kind<PodInfo>({
    name: 'pods',
    aliases: ['pod'],
    path: API_PATHS.pods,
    key: (p) => `${p.namespace}/${p.name}`,
    single: false,
    deletable: false,
    overview: (o) => o.pods,
    columns: {
      NAME: (p) => `${p.namespace}/${p.name}`,
      NODE: (p) => p.node,
      STATE: (p) => (p.ready ? 'Ready' : p.phase),
      RESTARTS: (p) => p.restarts,
    },
    wide: { PORTS: (p) => p.hostPorts?.join(','), REASON: (p) => p.reason },
  }),
  kind<CloudInfo>({
    name: 'clouds',
    aliases: ['cloud'],
    path: API_PATHS.clouds,
    key: (c) => c.name,
    single: false,
    deletable: false,
    overview: (o) => o.clouds,
    columns: {
      NAME: (c) => c.name,
      STATE: (c) => c.state,
      BUS: (c) => c.nats.role,
      'LAST SEEN': (c, now) => ago(c.lastSeen, now),
    },
    wide: { VERSION: (c) => c.version, NATS: (c) => c.nats.version, REASON: (c) => c.reason ?? c.warning },
  }),
  kind<SatelliteInfo>({
    name: 'satellites',
    aliases: ['satellite', 'sat'],
    path: API_PATHS.satellites,
    key: (s) => s.id,
    single: true,
    deletable: true,
    fleet: true,
    resource: 'satellite',
    columns: {
      ID: (s) => s.id,
      NAME: (s) => s.name,
      STATE: (s) => s.state,
      TAGS: (s) => tagsText(s.tags),
      LOAD: (s) => s.load.map((l) => l.toFixed(2)).join(' '),
      'LAST SEEN': (s, now) => ago(s.lastSeen, now),
      REASON: (s) => s.reason,
    },
    wide: {
      CERTIFICATE: (s, now) => (s.certificateEnds === undefined ? '' : until(s.certificateEnds, now)),
      NODE: (s) => s.node,
      VERSION: (s) => s.version,
      ADDRESSES: (s) => s.addresses.join(','),
      TABLES: (s) => (s.tables as SatelliteInfo['tables'] | undefined)?.length,
    },
  }),
  kind<ApplicationInfo>({
    name: 'applications',
    aliases: ['application', 'app', 'apps'],
    path: API_PATHS.applications,
    key: (a) => a.name,
    single: false,
    deletable: false,
    overview: (o) => o.applications,
    columns: { NAME: (a) => a.name, ADDRESSES: (a) => a.addresses.join(' ') },
    wide: {},
  }),
  kind<User>({
    name: 'users',
    aliases: ['user'],
    path: API_PATHS.users,
    key: (u) => u.name,
    single: true,
    deletable: true,
    topic: 'users',
    resource: 'user',
    columns: {
      NAME: (u) => u.name,
      ROLE: (u) => u.role,
      DISABLED: (u) => yes(u.disabled),
      CREATED: (u, now) => ago(u.createdAt, now),
    },
    wide: {
      PASSWORD: (u, now) => ago(u.passwordAt, now),
      'MUST CHANGE': (u) => yes(u.mustChangePassword),
      VERSION: (u) => u.version,
    },
  }),
  kind<Token>({
    name: 'tokens',
    aliases: ['token'],
    path: API_PATHS.tokens,
    key: (t) => t.id,
    single: true,
    deletable: true,
    topic: 'tokens',
    resource: 'token',
    columns: {
      ID: (t) => t.id,
      NAME: (t) => t.name,
      OWNER: (t) => t.owner,
      SCOPES: (t) => t.scopes.join(','),
      ENDS: (t, now) => until(t.expiresAt, now),
    },
    wide: { CREATED: (t, now) => ago(t.createdAt, now), VERSION: (t) => t.version },
  }),
  kind<EnrolmentToken>({
    name: 'enrolment-tokens',
    aliases: ['enrolment-token'],
    path: ENROLMENT_PATHS.tokens,
    key: (e) => e.id,
    single: false,
    deletable: true,
    topic: 'enrolment-tokens',
    resource: 'enrolment',
    columns: {
      ID: (e) => e.id,
      'USES LEFT': (e) => e.usesLeft,
      ENDS: (e, now) => until(e.expiresAt, now),
      BY: (e) => e.createdBy,
      TAGS: (e) => tagsText(e.tags),
    },
    wide: { CREATED: (e, now) => ago(e.createdAt, now), VERSION: (e) => e.version },
  }),
  kind<SessionInfo>({
    name: 'sessions',
    aliases: ['session'],
    path: API_PATHS.sessions,
    key: (s) => s.id,
    single: false,
    deletable: true,
    topic: 'sessions',
    resource: 'session',
    columns: {
      ID: (s) => s.id,
      USER: (s) => s.user,
      ADDRESS: (s) => s.address,
      BEGAN: (s, now) => ago(s.createdAt, now),
      ENDS: (s, now) => until(s.expiresAt, now),
    },
    wide: {},
  }),
  kind<SavedQuery>({
    name: 'queries',
    aliases: ['query', 'saved-queries'],
    path: API_PATHS.savedQueries,
    key: (q) => q.id,
    single: true,
    deletable: true,
    topic: 'saved-queries',
    resource: 'query',
    columns: {
      ID: (q) => q.id,
      NAME: (q) => q.name,
      OWNER: (q) => q.owner,
      CHANGED: (q, now) => ago(q.updatedAt, now),
    },
    wide: { VERSION: (q) => q.version, SQL: (q) => q.sql },
  }),
  kind<Schedule>({
    name: 'schedules',
    aliases: ['schedule'],
    path: API_PATHS.schedules,
    key: (s) => s.id,
    single: true,
    deletable: true,
    topic: 'schedules',
    resource: 'schedule',
    columns: {
      ID: (s) => s.id,
      EVERY: (s) => intervalText(s.everySeconds),
      STATE: (s) => s.state,
      LAST: (s) => s.last?.state ?? '',
      'LAST RUN': (s, now) => (s.last === null ? '' : ago(s.last.begunAt, now)),
      NEXT: (s, now) => nextRun(s.nextAt, now),
      ROWS: (s) => s.last?.rows ?? '',
      FAILED: (s) => s.counts.failed + s.counts.partial + s.counts.lost,
    },
    wide: {
      NAME: (s) => s.name,
      OWNER: (s) => s.owner,
      SKIPPED: (s) => s.counts.skipped,
      MISSED: (s) => s.counts.missed,
      VERSION: (s) => s.version,
      REASON: (s) => (s.reason === '' ? s.last?.reason : s.reason),
      SQL: (s) => s.sql ?? `saved query ${s.query}`,
    },
  }),
  kind<AuditEntry>({
    name: 'audit',
    aliases: [],
    path: API_PATHS.audit,
    key: (e) => e.id,
    single: false,
    deletable: false,
    topic: 'audit',
    columns: {
      TIME: (e) => e.at,
      ACTOR: (e) => e.actor,
      KIND: (e) => e.kind,
      RESOURCE: (e) => e.changes.map((c) => c.resource).join(' '),
      OUTCOME: (e) => e.outcome,
    },
    wide: { SEQ: (e) => e.seq, ID: (e) => e.id },
  }),
];

/** @throws Failure `usage` */
export function kindOf(word: string): Kind {
  const found = KINDS.find((k) => k.name === word || k.aliases.includes(word));
  if (found !== undefined) {
    return found;
  }
  throw new Failure('usage', `There is no kind ${word}.`, {
    remedy: `Kinds are ${KINDS.map((k) => k.name).join(', ')}.`,
    exitCode: EXIT.usage,
  });
}

export const kindNames = (): string => KINDS.map((k) => k.name).join(', ');

/**
 * All pages of a kind, and the position from which a watch misses nothing. @param most as many items, at most @param
 * query more of the list's parameters
 */
export async function readAll(
  client: CloudClient,
  { path }: Kind,
  most = Number.POSITIVE_INFINITY,
  signal?: AbortSignal,
  query: Readonly<Record<string, string>> = {},
): Promise<{ items: unknown[]; seq: number }> {
  const items: unknown[] = [];
  let seq: number | undefined;
  for (let cursor: string | null = ''; cursor !== null && items.length < most;) {
    const limit = Math.min(500, most - items.length);
    const asked = new URLSearchParams({ ...query, limit: String(limit), ...(cursor === '' ? {} : { cursor }) });
    const { value, seq: at }: { value: Page<unknown>; seq: number } = await client.read<Page<unknown>>(
      `${path}?${asked.toString()}`,
      signal,
    );
    items.push(...value.items);
    seq ??= at;
    cursor = value.next;
  }
  return { items, seq: seq ?? 0 };
}

/**
 * The items of these names, and for the others why not, by name. @throws Failure where nothing could be asked at all
 */
export async function readNamed(
  client: CloudClient,
  of: Kind,
  names: string[],
  signal?: AbortSignal,
): Promise<{ items: unknown[]; seq: number; missing: Map<string, string> }> {
  const missing = new Map<string, string>();
  const items: unknown[] = [];
  let seq = 0;
  if (of.single) {
    for (const name of names) {
      try {
        const read = await client.read(`${of.path}/${encodeURIComponent(name)}`, signal);
        items.push(read.value);
        seq = seq === 0 ? read.seq : seq;
      } catch (error) {
        if (!(error instanceof Failure) || error.code !== 'not-found') {
          throw error;
        }
        missing.set(name, explain(failureData(error)));
      }
    }
    return { items, seq, missing };
  }
  const all = await readAll(client, of, Number.POSITIVE_INFINITY, signal);
  for (const name of names) {
    const found = all.items.filter((i) => of.key(i) === name);
    items.push(...found);
    if (found.length === 0) {
      missing.set(name, `There is nothing called ${name} among the ${of.name}.`);
    }
  }
  return { items, seq: all.seq, missing };
}
