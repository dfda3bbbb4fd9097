import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: "Store this node's certificate and start its executor (internal: used by install)",
  configure(cmd, io) {
    cmd.action(async () => {
      const { z } = await import('zod');
      const { nodeSchema, specSchema } = await import('../../../../installer/plan/schema.ts');
      const { startNodeExecutor } = await import('../../../../installer/node/start.ts');
      const { readInput, writeOutput } = await import('../../json-io.ts');
      const input = await readInput(
        io,
        z.object({
          spec: specSchema,
          node: nodeSchema,
          operation: z.string(),
          cert: z.string(),
          ca: z.string(),
          consoleTls: z.object({ cert: z.string(), key: z.string() }).optional(),
        }),
      );
      writeOutput(io, { executor: await startNodeExecutor(input) });
    });
  },
};
