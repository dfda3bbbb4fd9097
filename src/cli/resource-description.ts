import { stringify } from 'yaml';
import type { AuditEntry } from '../api/audit.ts';
import type { Page } from '../api/page.ts';
import { API_PATHS } from '../cloud/api-paths.ts';
import type { CloudClient } from '../context/client.ts';
import { Failure } from '../errors.ts';
import { printItems } from './resource-printer.ts';
import type { Kind } from './resources.ts';
import { cell, table } from './table.ts';

const CHANGES = 10;

/** The last changes of a thing; undefined where it has none or the caller may not see them. @throws Failure */
export async function lastChanges(
  client: CloudClient,
  kind: Kind,
  key: string,
  signal: AbortSignal,
): Promise<AuditEntry[] | undefined> {
  if (kind.resource === undefined) {
    return undefined;
  }
  try {
    const resource = encodeURIComponent(`${kind.resource}/${key}`);
    return (await client.get<Page<AuditEntry>>(`${API_PATHS.audit}?limit=${CHANGES}&resource=${resource}`, signal))
      .items;
  } catch (error) {
    if (error instanceof Failure && error.code === 'forbidden') {
      return undefined;
    }
    throw error;
  }
}

export interface Described {
  item: unknown;
  /** As `lastChanges` gives them. */
  changes: AuditEntry[] | undefined;
}

/** What `describe` prints. One named thing in JSON and YAML is that thing, several are a list. */
export function printDescriptions(
  kind: Kind,
  all: Described[],
  format: 'text' | 'json' | 'yaml' | 'name',
  one: boolean,
): string {
  if (format === 'name') {
    return printItems(
      kind,
      all.map((d) => d.item),
      'name',
      one,
      0,
    );
  }
  if (format === 'text') {
    return all.map(({ item, changes }) => describe(kind, item, changes)).join('\n');
  }
  const shown = all.map(({ item, changes = [] }) => ({ item, changes }));
  return printItems(kind, shown, format, one, 0);
}

/** A thing with all its fields, and its last changes as a table. */
export function describe(kind: Kind, item: unknown, changes: AuditEntry[] | undefined): string {
  const name = `${kind.name}/${cell(kind.key(item))}\n`;
  const fields = stringify(item, { lineWidth: 0 }).replaceAll(/^/gm, '  ').trimEnd();
  if (changes === undefined || changes.length === 0) {
    return `${name}${fields}\n`;
  }
  const rows = changes.map((e) => [e.at, e.actor, e.kind, e.outcome, difference(e)].map(cell));
  return `${name}${fields}\n\nLast changes\n${table(['TIME', 'ACTOR', 'KIND', 'OUTCOME', 'WHAT'], rows)}`;
}

/** The fields that a change has changed: `role: viewer → admin`. */
function difference({ changes }: AuditEntry): string {
  const object = (value: unknown): Record<string, unknown> =>
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  return changes
    .map(({ before, after }) => {
      if (before === null) {
        return 'created';
      }
      if (after === null) {
        return 'deleted';
      }
      const [old, now] = [object(before), object(after)];
      return Object.keys(now)
        .filter((k) => JSON.stringify(old[k]) !== JSON.stringify(now[k]))
        .map((k) => `${k}: ${cell(old[k])} → ${cell(now[k])}`)
        .join(', ');
    })
    .join('; ');
}
