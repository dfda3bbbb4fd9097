import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, terrarium, TERRARIUM, type Ended, type Options } from './terrarium.ts';

/** One lab with an administrator's home of its own. */
export interface Lab {
  dir: string;
  clusterFile: string;
  machines: { name: string; address: string }[];
  /** Runs terrarium as this lab's administrator. */
  admin(args: string[], options?: Options): Promise<Ended>;
  /** Runs a program as root inside a machine. */
  exec(machine: string, ...argv: string[]): Promise<Ended>;
  down(): Promise<void>;
}

/** Boots a lab with these flags of `lab up`. */
export async function bootLab(...flags: string[]): Promise<Lab> {
  const dir = mkdtempSync(join(tmpdir(), 'terrarium-e2e-'));
  const up = await terrarium(['lab', 'up', '--dir', dir, ...flags]);
  if (up.exitCode !== 0) {
    await terrarium(['lab', 'down']);
    throw new Error(`lab up ${flags.join(' ')}: ${up.stderr}`);
  }
  const clusterFile = join(dir, 'cluster.yaml');
  const status = await terrarium(['lab', 'status', '--json']);
  const { machines } = JSON.parse(status.stdout) as { machines: { name: string; address: string }[] };
  const env = { TERRARIUM_CONFIG: join(dir, 'home/config.yaml'), HOME: join(dir, 'home') };
  return {
    dir,
    clusterFile,
    machines: machines.map(({ name, address }) => ({ name, address })),
    admin: (args, options = {}) => terrarium(args, { ...options, env: { ...env, ...options.env } }),
    exec: (machine, ...argv) => run([TERRARIUM, 'lab', 'exec', machine, '--', ...argv]),
    async down() {
      const ended = await terrarium(['lab', 'down']);
      if (ended.exitCode !== 0) {
        throw new Error(`lab down: ${ended.stderr}`);
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/**
 * Asks until the answer is as wanted, and again where asking fails, as it does while something starts; gives the last
 * answer when the time is over.
 * @throws what asking threw last, where that is no answer.
 */
export async function eventually<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean, ms: number): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    try {
      const answer = await ask();
      if (wanted(answer) || Date.now() > end) {
        return answer;
      }
    } catch (error) {
      if (Date.now() > end) {
        throw error;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
