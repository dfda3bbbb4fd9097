import { existsSync } from 'node:fs';
import { nodePaths, RUN_DIR } from '../cluster/paths.ts';
import { bundledVersions } from '../node/component-versions.ts';
import { containerdConfig, RUNC_STATE, SHIM_SOCKETS } from '../node/containerd-config.ts';
import { stopContainers } from '../node/containers.ts';
import { updateFile } from '../node/files.ts';
import { removePodCgroups } from '../node/pod-cgroups.ts';
import { removeTrees } from '../node/remove.ts';
import { run } from '../node/run.ts';
import { enableAndStart, installUnit, lastWords, removeUnit, restartUnit, unitActive } from '../node/systemd.ts';
import { hostTraits } from '../node/traits.ts';
import { CONTAINERD_UNIT, containerdUnit } from '../node/units.ts';
import { waitUntil } from '../node/wait.ts';
import type { Phase, PhaseContext } from '../plan/types.ts';

async function answers({ spec }: PhaseContext): Promise<string | undefined> {
  const paths = nodePaths(spec);
  if (!existsSync(paths.containerdSocket)) {
    return `its socket is not there yet (${await lastWords(CONTAINERD_UNIT)})`;
  }
  const { exitCode, stderr } = await run([`${paths.bin}/ctr`, '-a', paths.containerdSocket, 'version'], {
    accept: [0, 1],
    timeoutMs: 10_000,
  });
  return exitCode === 0 ? undefined : stderr.split('\n').pop();
}

/** The node's own container runtime, beside any other that the machine may have. */
export const phase: Phase = {
  title: 'start the container runtime',

  async isDone(context) {
    return (await unitActive(CONTAINERD_UNIT)) && (await answers(context)) === undefined;
  },

  async do(context) {
    const paths = nodePaths(context.spec);
    const configChanged = updateFile(
      `${paths.release}/etc/containerd.toml`,
      containerdConfig(paths, hostTraits(), bundledVersions().pauseImage),
    );
    const unitChanged = await installUnit(CONTAINERD_UNIT, containerdUnit(paths));
    await enableAndStart(CONTAINERD_UNIT);
    if (configChanged || unitChanged) {
      await restartUnit(CONTAINERD_UNIT);
    }
    await waitUntil(
      context,
      {
        for: 'the container runtime to answer',
        stalledMs: 60_000,
        remedy: `See \`journalctl -u ${CONTAINERD_UNIT}\` on that machine, then run the same command again.`,
      },
      () => answers(context),
    );
  },

  async undo({ spec, log }) {
    const paths = nodePaths(spec);
    await stopContainers(paths, log);
    // With the systemd driver they are units, whose cgroups systemd would make again at its next reload.
    await run(['systemctl', 'stop', 'kubepods.slice'], { accept: [0, 1, 3, 4, 5] });
    removePodCgroups();
    await removeUnit(CONTAINERD_UNIT);
    removeTrees([`${RUN_DIR}/containerd`, SHIM_SOCKETS, RUNC_STATE, paths.containerd], log);
  },
};
