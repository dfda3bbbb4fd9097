import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: "Sign nodes' requests with the cluster's CA, made here if there is none (internal: used by install)",
  configure(cmd, io) {
    cmd.action(async () => {
      const { z } = await import('zod');
      const { specSchema } = await import('../../../../installer/plan/schema.ts');
      const { grantMembership } = await import('../../../../installer/node/membership.ts');
      const { readInput, writeOutput } = await import('../../json-io.ts');
      const { spec, requests } = await readInput(
        io,
        z.object({ spec: specSchema, requests: z.record(z.string(), z.string()) }),
      );
      writeOutput(io, await grantMembership(spec, requests));
    });
  },
};
