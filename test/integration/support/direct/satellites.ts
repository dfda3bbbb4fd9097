import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { LocalClouds, LocalNode } from '../../../support/local-cloud.ts';

/** Satellites of nodes, each its own process, with an endpoint for direct queries on the node's address. */
export interface SatelliteProcesses {
  start(node: LocalNode): void;
  /** Resolves at once where none runs. */
  stop(name: string): Promise<void>;
  pid(name: string): number | undefined;
  /** Their output, all together. */
  output: string[];
}

/** @param clouds they are started before the first satellite is */
export function satelliteProcesses(clouds: () => LocalClouds): SatelliteProcesses {
  const satellites = new Map<string, ChildProcess>();
  const output: string[] = [];
  return {
    output,
    pid: (name) => satellites.get(name)?.pid,
    start(node) {
      const child = spawn(process.execPath, ['src/main.ts', 'satellite'], {
        env: { ...clouds().env(node), TERRARIUM_DIRECT_ADDRESS: node.address },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk: Buffer) => output.push(`${node.name}: ${chunk.toString()}`));
      }
      satellites.set(node.name, child);
    },
    async stop(name) {
      const child = satellites.get(name);
      if (child === undefined || child.exitCode !== null) {
        return;
      }
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
