import { Refusal, type Tx } from './kind.ts';

/**
 * Resources with a version, by the first part of their name (`user/eva`). The version is the position of the command
 * that changed the resource last, so that one that was deleted and made again never has a version that somebody still
 * holds.
 */
const RESOURCES: Record<string, { table: string; key: string }> = {
  user: { table: 'users', key: 'name' },
  token: { table: 'tokens', key: 'id' },
  query: { table: 'saved_queries', key: 'id' },
  satellite: { table: 'satellites', key: 'id' },
  schedule: { table: 'schedules', key: 'id' },
  enrolment: { table: 'enrolment_tokens', key: 'id' },
};

/** @returns the version, 0 for what does not exist. @throws Refusal for a resource that has no versions. */
export function versionOf(tx: Tx, resource: string): number {
  const slash = resource.indexOf('/');
  const type = Object.hasOwn(RESOURCES, resource.slice(0, slash)) ? RESOURCES[resource.slice(0, slash)] : undefined;
  if (slash < 0 || type === undefined) {
    throw new Refusal('not-found', `${resource} is no resource that has a version.`);
  }
  return (
    tx.get<{ version: number }>(`SELECT version FROM ${type.table} WHERE ${type.key} = ?`, resource.slice(slash + 1))
      ?.version ?? 0
  );
}
