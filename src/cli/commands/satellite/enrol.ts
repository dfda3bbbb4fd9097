import type { CommandModule } from '../../command.ts';
import { addEnrolOptions, enrolTarget, type EnrolFlags } from '../../enrol-options.ts';

interface Options extends EnrolFlags {
  data: string;
  ifNeeded?: true;
}

export const command: CommandModule = {
  summary: 'Enrol this machine as a satellite of a cluster that it is no node of',
  group: 'Set up',
  configure(cmd, io) {
    addEnrolOptions(cmd, 'try for so long while no control plane answers')
      .option('--data <dir>', 'where the satellite keeps its key and its state', '/var/lib/terrarium')
      .option('--if-needed', 'do nothing where this machine has enrolled already and its certificate has not ended')
      .addHelpText(
        'after',
        '\n' +
          'Running the same command again continues an enrolment that was interrupted. Then `terrarium satellite` ' +
          'runs the satellite; `terrarium satellite install` does both, for good.\n' +
          'HTTPS_PROXY and NO_PROXY are heeded.',
      )
      .action(async (addresses: string, options: Options) => {
        const { readSecret } = await import('../../secret-input.ts');
        const { enrolSatellite } = await import('../../../satellite/enrol/enrol.ts');
        const { hasEnded, isEnrolled } = await import('../../../satellite/enrol/record.ts');
        const { recoverCredential } = await import('../../../satellite/renewal.ts');
        const target = await enrolTarget(addresses, options);
        recoverCredential(options.data);
        if (options.ifNeeded === true && !target.newKey && isEnrolled(options.data) && !hasEnded(options.data)) {
          io.stdout.write('This machine has enrolled already.\n');
          return;
        }
        const token = await readSecret(io, {
          what: 'token',
          file: options.tokenFile,
          variable: 'TERRARIUM_ENROLMENT_TOKEN',
          remedy: 'Run `terrarium satellite token` where the cluster is administered.',
        });
        const record = await enrolSatellite({
          ...target,
          token,
          data: options.data,
          signal: io.signal,
          env: io.env,
          log: (line) => io.stderr.write(`${line}\n`),
        });
        io.stdout.write(`${record.id} has enrolled. Its bus is at ${record.clouds.join(', ')}.\n`);
      });
  },
};
