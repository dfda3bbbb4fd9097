import { readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { readText, switchLink, updateFile, writeFileDurably } from '../node/files.ts';
import { readHostChanges, recordHostChange, recordSysctl, sysctlPath } from '../node/host-changes.ts';
import { run } from '../node/run.ts';
import type { Finding } from './check.ts';
import { gatherMemory, ZRAM_UNIT } from './facts/memory.ts';

export type FixName = NonNullable<Finding['fixable']>;

const SETTINGS: Record<Exclude<FixName, 'swap'>, Record<string, number>> = {
  inotify: { 'fs.inotify.max_user_instances': 8192, 'fs.inotify.max_user_watches': 524_288 },
  'map-count': { 'vm.max_map_count': 262_144 },
};
/** Ids begin with these; `undoFixes` knows no others. */
const SWAP = 'fix-swap:';
const FILE = 'fix-file:';
const UNIT = 'fix-unit:';
const OWN_UNIT = 'fix-own-unit:';

const FSTAB = '/etc/fstab';
/** Stands before the lines of fstab that a repair took out. */
const COMMENT = '# terrarium: ';
const ADMIN_UNITS = '/etc/systemd/system';
const MASK = '/dev/null';

export function isFixName(name: string): name is FixName {
  return name === 'swap' || name in SETTINGS;
}

/**
 * Makes one repair on this machine, as root; what was there before is recorded first. Returns what was done, a line
 * each.
 */
export async function applyFix(name: FixName, changesFile: string): Promise<string[]> {
  return name === 'swap'
    ? await swapOff(changesFile)
    : raise(`/etc/sysctl.d/90-terrarium-${name}.conf`, SETTINGS[name], changesFile);
}

function raise(bootFile: string, settings: Record<string, number>, changesFile: string): string[] {
  const done: string[] = [];
  for (const [name, value] of Object.entries(settings)) {
    const now = Number(readText(sysctlPath(name))?.trim() ?? Number.NaN);
    if (!(now < value)) {
      continue;
    }
    recordSysctl(changesFile, name, String(value));
    writeFileSync(sysctlPath(name), String(value));
    done.push(`${name}: ${now} → ${value}`);
  }
  if (done.length === 0) {
    return [];
  }
  const after = Object.entries(settings)
    .map(([n, v]) => `${n} = ${v}\n`)
    .join('');
  recordHostChange(changesFile, {
    id: `${FILE}${bootFile}`,
    what: 'kernel settings at boot',
    path: bootFile,
    before: readText(bootFile) ?? null,
    after,
  });
  updateFile(bootFile, after);
  return done;
}

async function swapOff(changesFile: string): Promise<string[]> {
  const { swapLive, swapFstab, swapUnits } = await gatherMemory();
  const done: string[] = [];
  for (const { path } of swapLive) {
    recordHostChange(changesFile, { id: `${SWAP}${path}`, what: `swap on ${path}`, path, before: 'on', after: 'off' });
    await run(['swapoff', path]);
    done.push(`swap off: ${path}`);
  }
  if (swapFstab.length > 0) {
    const before = readFileSync(FSTAB, 'utf8');
    const after = before
      .split('\n')
      .map((l) => (swapFstab.includes(l) ? `${COMMENT}${l}` : l))
      .join('\n');
    recordHostChange(changesFile, { id: `${FILE}${FSTAB}`, what: 'swap at boot', path: FSTAB, before, after });
    replaceFile(FSTAB, after);
    done.push(`swap taken out of ${FSTAB}`);
  }
  for (const path of swapUnits) {
    const unit = unitOf(path);
    // What an administrator wrote stands where the mask has to go, and systemctl refuses.
    const own = path === `${ADMIN_UNITS}/${unit}` ? readText(path) : undefined;
    if (own === undefined) {
      recordHostChange(changesFile, {
        id: `${UNIT}${unit}`,
        what: `unit ${unit}`,
        before: 'unmasked',
        after: 'masked',
      });
      await run(['systemctl', 'mask', unit]);
    } else {
      recordHostChange(changesFile, { id: `${OWN_UNIT}${path}`, what: `unit ${unit}`, path, before: own, after: MASK });
      switchLink(path, MASK);
    }
    done.push(`${unit} masked`);
  }
  // Else systemd keeps what it has made from fstab, and starts it when somebody asks for swap.target.
  if (done.length > 0) {
    await reload();
  }
  return done;
}

/** A unit that a generator will make is masked by the name that it will have. */
function unitOf(path: string): string {
  return path.endsWith('.conf') ? ZRAM_UNIT : basename(path);
}

/** Where systemd does not run there is nothing to tell it. */
async function reload(): Promise<void> {
  await run(['systemctl', 'daemon-reload']).catch(() => undefined);
}

/** Keeps mode and owner. */
function replaceFile(path: string, content: string): void {
  const { mode, uid, gid } = statSync(path);
  writeFileDurably(path, content, { mode: mode & 0o7777, uid, gid });
}

/**
 * Puts back what repairs changed, the last first; a file that was changed again since is left alone, but for the lines
 * of fstab that are marked as ours. Sysctls are restored by restoreSysctls. Called by uninstall.
 */
export async function undoFixes(changesFile: string): Promise<void> {
  const changes = readHostChanges(changesFile).toReversed();
  for (const { id, path, before, after } of changes) {
    if (id === `${FILE}${FSTAB}`) {
      restoreFstab();
    } else if (id.startsWith(FILE) && path !== undefined && readText(path) === after) {
      if (before === null) {
        rmSync(path, { force: true });
      } else {
        replaceFile(path, before);
      }
    }
    if (id.startsWith(UNIT)) {
      await run(['systemctl', 'unmask', id.slice(UNIT.length)]);
    }
    if (id.startsWith(OWN_UNIT) && path !== undefined && before !== null && linksTo(path, MASK)) {
      writeFileDurably(path, before);
    }
    if (id.startsWith(SWAP)) {
      await run(['swapon', id.slice(SWAP.length)]).catch(() => undefined);
    }
  }
  if (changes.some((c) => [FILE, UNIT, OWN_UNIT].some((kind) => c.id.startsWith(kind)))) {
    await reload();
  }
}

function restoreFstab(): void {
  const now = readText(FSTAB) ?? '';
  const restored = now
    .split('\n')
    .map((l) => (l.startsWith(COMMENT) ? l.slice(COMMENT.length) : l))
    .join('\n');
  if (restored !== now) {
    replaceFile(FSTAB, restored);
  }
}

function linksTo(path: string, target: string): boolean {
  try {
    return readlinkSync(path) === target;
  } catch {
    return false;
  }
}
