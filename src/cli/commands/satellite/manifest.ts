import { EXIT, Failure } from '../../../errors.ts';
import { cloudClient } from '../../cloud-client.ts';
import type { CommandModule } from '../../command.ts';
import { repeatable } from '../../repeatable.ts';

interface Options {
  namespace?: string;
  image?: string;
  storage?: string;
  storageClass?: string;
  ttl: string;
  tag?: string[];
  context?: string;
}

export const command: CommandModule = {
  summary: 'Print the YAML by which another Kubernetes cluster gets a satellite',
  group: 'Set up',
  configure(cmd, io) {
    cmd
      .argument('<id>', "the satellite's name in this cluster")
      .option('--namespace <name>', 'of the other cluster (default: terrarium-satellite)')
      .option('--image <reference>', 'under which the other cluster has the image')
      .option('--storage <size>', 'of the volume for key and history (default: 1Gi)')
      .option('--storage-class <name>', "its class (default: the other cluster's own)")
      .option('--ttl <minutes>', 'how long the token in it is good for', '60')
      .option('--tag <name=value>', 'a tag that the satellite gets; repeatable', repeatable)
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText(
        'after',
        '\n' +
          'The YAML holds a token, which is a secret for as long as it is good; `terrarium delete enrolment-tokens` ' +
          'ends it.\n' +
          'The other cluster must have the image, which `ctr images export` gives on a node of this one: see ' +
          '"Satellites elsewhere" in README.\n',
      )
      .action(async (id: string, options: Options) => {
        const { ENROLMENT_PATHS } = await import('../../../cloud/api-paths.ts');
        const { tagOptions } = await import('../../tag-options.ts');
        type Reply = import('../../../cloud/satellites-api.ts').ManifestReply;
        const minutes = Number(options.ttl);
        if (!(Number.isInteger(minutes) && minutes > 0)) {
          throw new Failure('usage', `--ttl ${options.ttl} is no whole number of minutes.`, { exitCode: EXIT.usage });
        }
        const { namespace, image, storage, storageClass } = options;
        const body = {
          id,
          minutes,
          tags: tagOptions(options.tag),
          ...(namespace === undefined ? {} : { namespace }),
          ...(image === undefined ? {} : { image }),
          ...(storage === undefined ? {} : { storage }),
          ...(storageClass === undefined ? {} : { storageClass }),
        };
        const client = await cloudClient(io, options.context);
        const made = await client.change<Reply>('POST', ENROLMENT_PATHS.manifests, body, io.signal);
        if (made === undefined) {
          throw new Failure('broken-off', 'The cloud has answered nothing.', { remedy: 'Run the command again.' });
        }
        io.stdout.write(made.manifest);
      });
  },
};
