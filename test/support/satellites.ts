import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SATELLITE_UID } from '../../installer/node/stack-credentials.ts';
import type { SatelliteInfo } from '../../src/api/satellites.ts';
import { SERVICE_UID } from '../../src/satellite/service/paths.ts';
import { API_TOKEN, call, until, type LocalClouds, type LocalNode } from './local-cloud.ts';

/** A real satellite on this machine, which says a host name of its own: its id. */
export interface TestSatellite {
  id: string;
  readonly pid: number;
  start(): void;
  /** By SIGKILL. */
  kill(): Promise<void>;
  /** Waits until the cloud has heard the process that runs now. */
  heard(): Promise<void>;
}

/**
 * How it is run. `pod`: as the container of manifests/satellite.yaml; `service`: as its unit
 * (src/satellite/service/unit.ts). Neither a runtime nor systemd is used: user, groups, capabilities and the limit of
 * memory are set by hand as they would be, and nothing else is.
 */
export type RunAs = 'pod' | 'service';

export interface SatelliteOptions {
  runAs?: RunAs;
  /** A group of processes that it belongs to, as `memoryGroup` makes one. */
  group?: MemoryGroup;
}

const UIDS: Record<RunAs, number> = { pod: SATELLITE_UID, service: SERVICE_UID };
const GROUPS: Record<RunAs, string> = { pod: '--groups=0', service: '--clear-groups' };

/** Sources in a folder that only their owner can enter are run as that one. */
export function mayRun(uid: number): boolean {
  return (
    spawnSync(process.execPath, ['-e', `require('node:fs').readFileSync(${JSON.stringify(resolve('src/main.ts'))})`], {
      uid,
      gid: uid,
    }).status === 0
  );
}

function restricted(runAs: RunAs, data: string): string[] {
  const uid = UIDS[runAs];
  const user = mayRun(uid) ? [`--reuid=${uid}`, `--regid=${uid}`, GROUPS[runAs]] : [];
  if (user.length > 0) {
    execFileSync('chown', ['-R', `${uid}:${uid}`, data]);
  }
  return ['setpriv', ...user, '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all', '--'];
}

export function testSatellite(
  clouds: LocalClouds,
  node: LocalNode,
  id: string,
  { runAs, group }: SatelliteOptions = {},
): TestSatellite {
  const proc = join(clouds.files.data(id), 'proc');
  mkdirSync(join(proc, 'sys/kernel'), { recursive: true });
  writeFileSync(join(proc, 'sys/kernel/hostname'), `${id}\n`);
  for (const name of ['loadavg', 'stat', 'uptime', 'meminfo']) {
    symlinkSync(join('/proc', name), join(proc, name));
  }
  // Statements run as nobody.
  chmodSync(clouds.files.root, 0o755);
  let child: ChildProcess | undefined;
  let startedAt = 0;
  return {
    id,
    get pid() {
      return child?.pid ?? 0;
    },
    start() {
      startedAt = Date.now();
      const command = [
        ...(group?.enter ?? []),
        ...(runAs === undefined ? [] : restricted(runAs, clouds.files.data(id))),
        ...clouds.command,
        'satellite',
      ];
      child = spawn(command[0] ?? '', command.slice(1), {
        env: {
          ...process.env,
          TERRARIUM_NODE: id,
          TERRARIUM_DATA: clouds.files.data(id),
          TERRARIUM_CLOUDS: `${node.address}:${clouds.ports.nats}`,
          TERRARIUM_CLUSTER_CONFIG: clouds.configFile,
          TERRARIUM_SERVICE_ACCOUNT: join(clouds.files.root, 'none'),
          TERRARIUM_POD_LOGS: join(clouds.files.root, 'none'),
          TERRARIUM_PROC: proc,
        },
        stdio: 'ignore',
      });
    },
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
        return;
      }
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
    async heard() {
      await until(
        `${id} to be heard`,
        async () => {
          const answer = await call(clouds, node, `/api/v1/satellites/${id}`, {
            headers: { authorization: `Bearer ${API_TOKEN}` },
          });
          if (answer.status !== 200) {
            return undefined;
          }
          const info = JSON.parse(answer.body) as SatelliteInfo;
          return Date.parse(info.startedAt) >= startedAt && Date.parse(info.lastSeen) >= startedAt ? true : undefined;
        },
        180_000,
      );
    },
  };
}

/** A cgroup with a limit of memory, as a container or a unit has. */
export interface MemoryGroup {
  /** What to put before a command so that it runs in it. */
  enter: string[];
  /** The most bytes that it has held, and how many of its processes the kernel killed for it. */
  peak(): number;
  kills(): number;
  remove(): void;
}

/** @returns undefined where this machine lets nobody make one */
export function memoryGroup(name: string, limit: number): MemoryGroup | undefined {
  const v1 = existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes');
  const dir = join(v1 ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup', `terrarium-${name}-${process.pid}`);
  try {
    mkdirSync(dir);
    writeFileSync(join(dir, v1 ? 'memory.limit_in_bytes' : 'memory.max'), String(limit));
  } catch {
    return undefined;
  }
  const read = (file: string): string => readFileSync(join(dir, file), 'utf8');
  return {
    enter: ['sh', '-c', 'echo $$ > "$0"/cgroup.procs && exec "$@"', dir],
    peak: () => Number(read(v1 ? 'memory.max_usage_in_bytes' : 'memory.peak')),
    kills: () => Number(/^oom_kill (\d+)$/m.exec(read(v1 ? 'memory.oom_control' : 'memory.events'))?.[1]),
    remove: () => rmdirSync(dir),
  };
}
