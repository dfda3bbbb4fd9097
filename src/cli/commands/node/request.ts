import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: "Make this node's key and the request for its certificate (internal: used by install)",
  configure(cmd, io) {
    cmd.action(async () => {
      const { z } = await import('zod');
      const { nodeSchema, specSchema } = await import('../../../../installer/plan/schema.ts');
      const { requestMembership } = await import('../../../../installer/node/membership.ts');
      const { readInput, writeOutput } = await import('../../json-io.ts');
      const { spec, node } = await readInput(io, z.object({ spec: specSchema, node: nodeSchema }));
      writeOutput(io, await requestMembership(spec, node));
    });
  },
};
