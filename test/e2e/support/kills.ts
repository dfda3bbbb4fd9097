import type { Test } from 'tap';
import { isErrno } from '../../../src/errors.ts';
import { etcdctl } from './etcd.ts';
import type { Lab } from './lab.ts';
import { must, type Ended } from './terrarium.ts';

/** What is killed, and at which step of the plan: as soon as the leaf is `in progress`, plus `afterMs`. */
export interface Kill {
  /** Leaf id, see `terrarium install --json`. */
  at: string;
  afterMs: number;
  what: 'cli' | 'coordinator' | 'executor' | 'kubeadm' | 'power';
  /** The machine on which it is killed. */
  machine: string;
}

/**
 * Kills processes inside a machine; one that is not there (between two of kubeadm's calls, say) is waited for.
 * @param which arguments of pkill
 * @throws Error where none came within a minute.
 */
export async function pkill(lab: Lab, machine: string, ...which: string[]): Promise<void> {
  await must(
    lab.exec(
      machine,
      'sh',
      '-c',
      'for n in $(seq 600); do pkill -KILL "$@" && exit 0; sleep 0.1; done; echo "no process: $*" >&2; exit 1',
      'sh',
      ...which,
    ),
  );
}

async function strike(lab: Lab, kill: Kill, cli: number): Promise<void> {
  if (kill.what === 'cli') {
    try {
      process.kill(cli, 'SIGKILL');
    } catch (error) {
      // It may have ended since.
      if (!isErrno(error, 'ESRCH')) {
        throw error;
      }
    }
  } else if (kill.what === 'coordinator') {
    await must(lab.exec(kill.machine, 'systemctl', 'kill', '--signal=SIGKILL', 'terrarium-coordinator'));
  } else if (kill.what === 'executor') {
    await must(lab.exec(kill.machine, 'systemctl', 'kill', '--signal=SIGKILL', 'terrarium-executor'));
  } else if (kill.what === 'kubeadm') {
    await pkill(lab, kill.machine, '-x', 'kubeadm');
  } else {
    await must(lab.admin(['lab', 'stop', kill.machine]));
    await must(lab.admin(['lab', 'start', kill.machine]));
  }
}

/**
 * Runs the install and strikes when the moment comes. Resolves with how the command ended and whether the moment came
 * at all (a step that is done already does not come again).
 */
export async function installAndKill(lab: Lab, kill: Kill): Promise<{ ended: Ended; struck: boolean }> {
  let struck: Promise<void> | undefined;
  let cli = 0;
  let rest = '';
  const ended = await lab.admin(['install', '-f', lab.clusterFile, '--json'], {
    onStart: (pid) => {
      cli = pid;
    },
    onStdout: (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const event = JSON.parse(line) as { type: string; id?: string; state?: string };
        if (struck !== undefined || event.type !== 'leaf' || event.id !== kill.at || event.state !== 'in progress') {
          continue;
        }
        struck = new Promise<void>((resolve) => setTimeout(resolve, kill.afterMs)).then(() => strike(lab, kill, cli));
        // Told below, when the command has ended.
        struck.catch(() => undefined);
      }
    },
  });
  await struck;
  return { ended, struck: struck !== undefined };
}

/** Every machine is a living, voting member of one etcd, and of one cluster. */
export async function checkMembers(t: Test, lab: Lab): Promise<void> {
  const members = await etcdctl(lab, lab.machines[0]?.name ?? '', 'member list');
  const lines = members.stdout.trim().split('\n');
  t.equal(lines.length, lab.machines.length, 'etcd has a member for each machine');
  for (const line of lines) {
    t.match(line, /, started, \S+, \S+, \S+, false$/, 'none is dead or a learner');
  }
  const ids = await Promise.all(
    lab.machines.map(({ name }) => lab.exec(name, 'sh', '-c', 'grep clusterId /var/lib/terrarium/node.json')),
  );
  t.equal(new Set(ids.map((i) => i.stdout.trim())).size, 1, 'one cluster id');
}
