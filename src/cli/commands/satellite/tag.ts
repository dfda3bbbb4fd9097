import { EXIT, Failure } from '../../../errors.ts';
import { cloudClient } from '../../cloud-client.ts';
import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'Set tags of a satellite, or take them away',
  group: 'Operate',
  configure(cmd, io) {
    cmd
      .argument('<id>', 'which satellite')
      .argument('<tags...>', 'NAME=VALUE sets one, NAME- takes it away; the others stay')
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText('after', '\n`terrarium query --tag NAME=VALUE` asks those that have it.\n')
      .action(async (id: string, changes: string[], options: { context?: string }) => {
        const { API_PATHS } = await import('../../../cloud/api-paths.ts');
        const { tagOptions } = await import('../../tag-options.ts');
        type Info = import('../../../api/satellites.ts').SatelliteInfo;
        const gone = changes.filter((text) => /^[^=]+-$/.test(text)).map((text) => text.slice(0, -1));
        const set = tagOptions(changes.filter((text) => !/^[^=]+-$/.test(text)));
        const client = await cloudClient(io, options.context);
        const path = `${API_PATHS.satellites}/${encodeURIComponent(id)}`;
        const { tags, revision } = await client.get<Info>(path, io.signal);
        const missing = gone.find((name) => !Object.hasOwn(tags, name));
        if (missing !== undefined) {
          throw new Failure('usage', `${id} has no tag ${missing}.`, {
            remedy: '`terrarium get satellites` shows the tags.',
            exitCode: EXIT.usage,
          });
        }
        const next = { ...Object.fromEntries(Object.entries(tags).filter(([name]) => !gone.includes(name))), ...set };
        // Of what was read: two who change tags at once must not undo each other's.
        await client.change('PATCH', path, { tags: next, ...(revision === 0 ? {} : { expect: revision }) }, io.signal);
        io.stdout.write(`satellites/${id} tagged\n`);
      });
  },
};
