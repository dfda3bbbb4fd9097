import { existsSync } from 'node:fs';
import { run, TERRARIUM } from '../e2e/support/terrarium.ts';

/** Files whose tests boot a lab of their own; there is room for one on a machine. */
export function needsLab(files: string[]): boolean {
  return files.some((f) => /(^|\/)(integration\/alone\/lab\.test\.ts$|e2e\/)/.test(f));
}

async function terrarium(...args: string[]): Promise<string> {
  const ended = await run([TERRARIUM, ...args]);
  if (ended.exitCode !== 0) {
    throw new Error(`terrarium ${args.join(' ')}: exit ${ended.exitCode}: ${ended.stderr.trim()}`);
  }
  return ended.stdout;
}

/**
 * Pauses the lab that is up on this machine, if any, while `work` runs, and resumes it afterwards, whatever `work` came
 * to.
 * @param what `tests`, for the message. @throws Error where the lab cannot be paused, before `work`, or not be resumed,
 *   after it.
 */
export async function withLabPaused(
  what: string,
  say: (line: string) => void,
  work: () => Promise<void>,
): Promise<void> {
  // Only root has a lab, and only the built program has one to pause.
  if (process.getuid?.() !== 0 || !existsSync(TERRARIUM)) {
    return work();
  }
  const { up, dir } = JSON.parse(await terrarium('lab', 'status', '--json')) as { up: boolean; dir?: string };
  if (!up || dir === undefined) {
    return work();
  }
  say(`The lab in ${dir} is paused for the ${what} and resumed at their end.`);
  await terrarium('lab', 'pause', '--dir', dir);
  try {
    await work();
  } finally {
    say(`Resuming the lab in ${dir}`);
    await terrarium('lab', 'resume', '--dir', dir);
  }
}
