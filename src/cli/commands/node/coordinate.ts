import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'Take a plan and start its coordinator on this node (internal: used by install)',
  configure(cmd, io) {
    cmd.action(async () => {
      const { z } = await import('zod');
      const { parsePlan } = await import('../../../../installer/plan/schema.ts');
      const { startPlan } = await import('../../../../installer/node/start.ts');
      const { readInput, writeOutput } = await import('../../json-io.ts');
      writeOutput(io, { coordinator: await startPlan(parsePlan(await readInput(io, z.unknown()))) });
    });
  },
};
