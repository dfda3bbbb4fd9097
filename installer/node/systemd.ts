import { rmSync } from 'node:fs';
import { updateFile } from './files.ts';
import { run } from './run.ts';

const UNIT_DIR = '/etc/systemd/system';

export function unitPath(name: string): string {
  return `${UNIT_DIR}/${name}`;
}

/** Writes a unit and tells systemd where it changed. Returns whether it did. */
export async function installUnit(name: string, content: string): Promise<boolean> {
  const changed = updateFile(unitPath(name), content);
  if (changed) {
    await run(['systemctl', 'daemon-reload']);
  }
  return changed;
}

export async function enableAndStart(name: string): Promise<void> {
  await run(['systemctl', 'enable', '--now', '--quiet', name]);
}

export async function restartUnit(name: string): Promise<void> {
  await run(['systemctl', 'restart', name]);
}

export async function unitActive(name: string): Promise<boolean> {
  return (await run(['systemctl', 'is-active', name], { accept: [0, 1, 2, 3, 4] })).stdout.trim() === 'active';
}

/** Stops, disables and forgets a unit; nothing to do where there is none. */
export async function removeUnit(name: string): Promise<void> {
  await run(['systemctl', 'disable', '--now', '--quiet', name], { accept: [0, 1, 2, 3, 4, 5] });
  await run(['systemctl', 'stop', name], { accept: [0, 1, 2, 3, 4, 5] });
  rmSync(unitPath(name), { force: true });
  await run(['systemctl', 'daemon-reload']);
  await run(['systemctl', 'reset-failed', name], { accept: [0, 1, 2, 3, 4, 5] });
}

/** klog's header (k8s.io/klog: level, date, time, pid, place): without it the same cause is the same text. */
const KLOG = /^([IWEF])\d{4} [\d:.]+ +\d+ [^\]]+\] /;

/** How systemd says why it could not start a program; what follows says only that it could not. */
const NOT_STARTED = /^\S+\.service: Failed (to|at) /;

/** The last error that a unit has logged of late, else its last line: for a sentence about why it is not up. */
export async function lastWords(name: string): Promise<string> {
  const { stdout } = await run(['journalctl', '-u', name, '-n', '30', '-o', 'cat', '--no-pager'], { accept: [0, 1] });
  return lastError(stdout.split('\n')) ?? 'it has logged nothing';
}

/** Of lines of a journal, the newest last. */
export function lastError(lines: string[]): string | undefined {
  const said = lines.filter((l) => l.trim() !== '');
  const start = said.slice(said.findLastIndex((l) => /^Start(ing|ed) /.test(l)) + 1);
  const line = said.findLast((l) => /^[EF]\d{4} /.test(l)) ?? start.find((l) => NOT_STARTED.test(l)) ?? said.at(-1);
  // Ids are new each time, the cause is not.
  return line
    ?.replace(KLOG, '')
    .replace(/[0-9a-f]{32,}/g, '…')
    .slice(0, 300);
}
