import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { readText, writeFileDurably } from './files.ts';

/**
 * host-changes.json: what we changed on the machine outside our own folders, in order, each with what was there before,
 * so that uninstall puts it back. Recorded (fsynced) before the change is made.
 */
const changeSchema = z.strictObject({
  /** `sysctl:vm.overcommit_memory`, `swap:/dev/sda2` … unique. */
  id: z.string(),
  what: z.string(),
  path: z.string().optional(),
  before: z.string().nullable(),
  after: z.string(),
});
export const hostChangesSchema = z.strictObject({ changes: z.array(changeSchema) });
export type HostChange = z.infer<typeof changeSchema>;

export function readHostChanges(file: string): HostChange[] {
  const text = readText(file);
  return text === undefined ? [] : hostChangesSchema.parse(JSON.parse(text)).changes;
}

/** Adds a change unless it was recorded before: what was there *first* is what uninstall restores. */
export function recordHostChange(file: string, change: HostChange): void {
  const changes = readHostChanges(file);
  if (changes.some((c) => c.id === change.id)) {
    return;
  }
  writeFileDurably(file, `${JSON.stringify({ changes: [...changes, change] }, null, 2)}\n`);
}

/** Ids of folders that were not there before. */
export const DIR = 'dir:';

/** Recorded folders: those that others had made before are not among them. */
export function madeDirs(file: string): string[] {
  return readHostChanges(file).flatMap((c) => (c.id.startsWith(DIR) && c.path !== undefined ? [c.path] : []));
}

export function sysctlPath(name: string): string {
  return `/proc/sys/${name.replaceAll('.', '/')}`;
}

export function recordSysctl(file: string, name: string, after: string): void {
  const before = readText(sysctlPath(name));
  if (before === undefined) {
    return;
  }
  recordHostChange(file, {
    id: `sysctl:${name}`,
    what: `kernel setting ${name}`,
    path: sysctlPath(name),
    before: before.trim(),
    after,
  });
}

/** Puts recorded sysctls back; others are the business of whoever recorded them. */
export function restoreSysctls(file: string): void {
  for (const change of readHostChanges(file)) {
    if (!change.id.startsWith('sysctl:') || change.path === undefined || change.before === null) {
      continue;
    }
    if (readFileSync(change.path, 'utf8').trim() !== change.before) {
      writeFileSync(change.path, change.before);
    }
  }
}
