import type { Member } from './check.ts';

/** Members that share a value which each should have for itself; empty values are not compared. */
export function twins(members: Member[], value: (member: Member) => string): [string, Member[]][] {
  return [...Map.groupBy(members, value)].filter(([shared, same]) => shared !== '' && same.length > 1);
}
