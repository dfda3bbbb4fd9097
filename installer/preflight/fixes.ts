import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { execa } from 'execa';
import { Failure } from '../../src/errors.ts';
import { updateFile, readText, writeFileDurably } from '../node/files.ts';
import { readHostChanges, recordHostChange, recordSysctl, sysctlPath } from '../node/host-changes.ts';
import type { Finding } from './check.ts';
import { gatherMemory } from './facts/memory.ts';

export type FixName = NonNullable<Finding['fixable']>;

const SETTINGS: Record<Exclude<FixName, 'swap'>, Record<string, number>> = {
  inotify: { 'fs.inotify.max_user_instances': 8192, 'fs.inotify.max_user_watches': 524_288 },
  'map-count': { 'vm.max_map_count': 262_144 },
};
/** Ids begin with these; `undoFixes` knows no others. */
const SWAP = 'fix-swap:';
const FILE = 'fix-file:';
const UNIT = 'fix-unit:';

export function isFixName(name: string): name is FixName {
  return name === 'swap' || name in SETTINGS;
}

/** Makes one repair on this machine, as root; what was there before is recorded first. Returns what was done, a line each. */
export async function applyFix(name: FixName, changesFile: string): Promise<string[]> {
  return name === 'swap' ? await swapOff(changesFile) : raise(`/etc/sysctl.d/90-terrarium-${name}.conf`, SETTINGS[name], changesFile);
}

function raise(bootFile: string, settings: Record<string, number>, changesFile: string): string[] {
  const done: string[] = [];
  for (const [name, value] of Object.entries(settings)) {
    const now = Number(readText(sysctlPath(name))?.trim() ?? Number.NaN);
    if (!(now < value)) continue;
    recordSysctl(changesFile, name, String(value));
    writeFileSync(sysctlPath(name), String(value));
    done.push(`${name}: ${now} → ${value}`);
  }
  if (done.length === 0) return [];
  const after = Object.entries(settings).map(([n, v]) => `${n} = ${v}\n`).join('');
  recordHostChange(changesFile, { id: `${FILE}${bootFile}`, what: 'kernel settings at boot', path: bootFile, before: readText(bootFile) ?? null, after });
  updateFile(bootFile, after);
  return done;
}

async function swapOff(changesFile: string): Promise<string[]> {
  const { swapLive, swapFstab, swapUnits } = await gatherMemory();
  const done: string[] = [];
  for (const { path } of swapLive) {
    recordHostChange(changesFile, { id: `${SWAP}${path}`, what: `swap on ${path}`, path, before: 'on', after: 'off' });
    await tool('swapoff', [path]);
    done.push(`swap off: ${path}`);
  }
  if (swapFstab.length > 0) {
    const before = readFileSync('/etc/fstab', 'utf8');
    const after = before.split('\n').map((l) => (swapFstab.includes(l) ? `# terrarium: ${l}` : l)).join('\n');
    recordHostChange(changesFile, { id: `${FILE}/etc/fstab`, what: 'swap at boot', path: '/etc/fstab', before, after });
    updateFile('/etc/fstab', after);
    done.push('swap taken out of /etc/fstab');
  }
  for (const unit of swapUnits.map((p) => basename(p)).filter((u) => u.endsWith('.swap'))) {
    recordHostChange(changesFile, { id: `${UNIT}${unit}`, what: `unit ${unit}`, before: 'unmasked', after: 'masked' });
    await tool('systemctl', ['mask', unit]);
    done.push(`${unit} masked`);
  }
  return done;
}

async function tool(program: string, args: string[]): Promise<void> {
  const result = await execa(program, args, { reject: false });
  if (result.failed) throw new Failure('fix', `${program} ${args.join(' ')} failed: ${result.stderr.trim() === '' ? result.shortMessage : result.stderr.trim()}.`, { remedy: 'Do it by hand.' });
}

/** Puts back what repairs changed, the last first; a file that was changed again since is left alone. Sysctls are restored by restoreSysctls. Called by uninstall. */
export async function undoFixes(changesFile: string): Promise<void> {
  for (const change of readHostChanges(changesFile).toReversed()) {
    if (change.id.startsWith(FILE) && change.path !== undefined && readText(change.path) === change.after) {
      if (change.before === null) rmSync(change.path, { force: true });
      else writeFileDurably(change.path, change.before);
    }
    if (change.id.startsWith(UNIT)) await tool('systemctl', ['unmask', change.id.slice(UNIT.length)]);
    if (change.id.startsWith(SWAP)) await tool('swapon', [change.id.slice(SWAP.length)]).catch(() => undefined);
  }
}
