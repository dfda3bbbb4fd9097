import { hostname } from 'node:os';
import { Option } from 'commander';
import { EXIT, Failure } from '../../../errors.ts';
import type { CommandModule } from '../../command.ts';

interface Options {
  token?: string;
  caHash: string;
  id?: string;
  data: string;
  newKey?: true;
  advertiseAddress?: string;
  wait: string;
}

export const command: CommandModule = {
  summary: 'Enrol this machine as a satellite of a cluster that it is no node of',
  group: 'Set up',
  configure(cmd, io) {
    cmd
      .argument('<control-plane,…>', 'addresses of control planes, with :port if it is not the usual one; the first that answers is used')
      .option('--token <token>', 'one-time token; `terrarium satellite token` makes one (or TERRARIUM_ENROLMENT_TOKEN)')
      .addOption(new Option('--ca-hash <sha256:hex>', "fingerprint of the cluster's CA").makeOptionMandatory())
      .option('--id <id>', "the satellite's name in the cluster (default: the host name)")
      .option('--data <dir>', 'where the satellite keeps its key and its state', '/var/lib/terrarium')
      .option('--advertise-address <address>', 'how others reach this machine, where that is not what its interfaces say')
      .option('--new-key', 'enrol with another key, after a revocation')
      .option('--wait <seconds>', 'try for so long while no control plane answers', '60')
      .addHelpText('after', '\nRunning the same command again continues an enrolment that was interrupted. Then `terrarium satellite` runs the satellite.')
      .action(async (addresses: string, options: Options) => {
        const { PORTS } = await import('../../../../installer/cluster/ports.ts');
        const { enrolledId } = await import('../../../cloud/satellites-api.ts');
        const { parseAddress } = await import('../../../satellite/enrol/client.ts');
        const { enrolSatellite } = await import('../../../satellite/enrol/enrol.ts');
        const token = options.token ?? io.env['TERRARIUM_ENROLMENT_TOKEN'];
        const id = (options.id ?? hostname()).toLowerCase();
        const seconds = Number(options.wait);
        const usage = (message: string, remedy: string): Failure => new Failure('usage', message, { remedy, exitCode: EXIT.usage });
        if (token === undefined) throw usage('No token is given.', 'Run `terrarium satellite token` where the cluster is administered.');
        if (!/^sha256:[0-9a-f]{64}$/.test(options.caHash)) throw usage(`--ca-hash ${options.caHash} is no fingerprint.`, 'Copy the whole command as it was printed.');
        if (!enrolledId.safeParse(id).success) throw usage(`${id} is no name for a satellite.`, 'Give --id with at most 63 of a-z, 0-9, dot and hyphen.');
        if (!(seconds >= 0 && seconds <= 86_400)) throw usage(`--wait ${options.wait} is no number of seconds up to a day.`, 'Give a number.');
        const record = await enrolSatellite({
          addresses: addresses.split(',').map((a) => parseAddress(a.trim(), PORTS.console.port)),
          token, id, caHash: options.caHash, data: options.data, newKey: options.newKey === true, patienceMs: seconds * 1000, signal: io.signal, env: io.env, advertise: options.advertiseAddress,
          log: (line) => io.stderr.write(`${line}\n`),
        });
        io.stdout.write(`${record.id} has enrolled. Its bus is at ${record.clouds.join(', ')}.\n`);
      });
  },
};
