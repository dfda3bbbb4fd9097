import { hostPort } from '../../src/host-port.ts';
import { nodePaths } from '../cluster/paths.ts';
import { writeAgentConfig } from '../node/agent-config.ts';
import { loopback } from '../node/kubeadm-config.ts';
import { connectable } from '../node/network.ts';
import { enableAndStart, installUnit, lastWords, removeUnit, restartUnit, unitActive } from '../node/systemd.ts';
import { AGENT_UNIT, agentUnit } from '../node/units.ts';
import { waitUntil } from '../node/wait.ts';
import type { Phase, PhaseContext } from '../plan/types.ts';

async function answers({ spec }: PhaseContext): Promise<string | undefined> {
  if (await connectable(loopback(spec), spec.ports.balancer)) {
    return undefined;
  }
  return `nothing listens on ${hostPort(loopback(spec), spec.ports.balancer)} (${await lastWords(AGENT_UNIT)})`;
}

/** The node's agent: its load balancer in front of all API servers runs before anything asks for the API. */
export const phase: Phase = {
  title: 'start the node agent',

  async isDone(context) {
    return (
      !writeAgentConfig(context.spec, context.node) &&
      (await unitActive(AGENT_UNIT)) &&
      (await answers(context)) === undefined
    );
  },

  async do(context) {
    writeAgentConfig(context.spec, context.node);
    await installUnit(AGENT_UNIT, agentUnit(nodePaths(context.spec)));
    if (await unitActive(AGENT_UNIT)) {
      await restartUnit(AGENT_UNIT);
    } else {
      await enableAndStart(AGENT_UNIT);
    }
    await waitUntil(
      context,
      {
        for: 'the agent to answer',
        stalledMs: 30_000,
        remedy: `See \`journalctl -u ${AGENT_UNIT}\` on that machine, then run the same command again.`,
      },
      () => answers(context),
    );
  },

  async undo() {
    await removeUnit(AGENT_UNIT);
  },
};
