import type { CommandModule } from '../../command.ts';
import { addEnrolOptions, enrolTarget, type EnrolFlags } from '../../enrol-options.ts';

interface Options extends EnrolFlags {
  root: string;
}

export const command: CommandModule = {
  summary: 'Make this machine a satellite of a cluster for good: enrol it, install the service, wait until it is heard',
  group: 'Set up',
  configure(cmd, io) {
    addEnrolOptions(cmd, 'wait for so long for a control plane that answers, and for the first heartbeat')
      .option('--root <dir>', 'prepare the machine below this folder, on which nothing is started', '/')
      .addHelpText(
        'after',
        '\n' +
          'Running the same command again completes what was interrupted, and changes nothing where all is there. ' +
          "HTTPS_PROXY and NO_PROXY become the service's.\n" +
          '`terrarium satellite uninstall` takes all of it away.',
      )
      .action(async (addresses: string, options: Options) => {
        const { existsSync } = await import('node:fs');
        const { join, resolve } = await import('node:path');
        const { EXIT, Failure } = await import('../../../errors.ts');
        const { readSecret } = await import('../../secret-input.ts');
        const { DEFAULT_DATA } = await import('../../../../installer/cluster/spec.ts');
        const { openAssets } = await import('../../../assets.ts');
        const { ADDON } = await import('../../../payload/addon.ts');
        const { packaged } = await import('../../../payload/keys.ts');
        const { installService } = await import('../../../satellite/service/install.ts');
        const { SERVICE_UID } = await import('../../../satellite/service/paths.ts');
        const { serviceManager } = await import('../../../satellite/service/systemd.ts');
        const target = await enrolTarget(addresses, options);
        const root = resolve(options.root);
        const usage = (code: string, message: string, remedy: string): Error =>
          new Failure(code, message, { remedy, exitCode: EXIT.usage });
        if (!packaged) {
          throw usage(
            'not-packaged',
            'This is terrarium from its sources, which is no file that could be installed.',
            'Use the executable that ./build.sh makes.',
          );
        }
        if (process.getuid?.() !== 0) {
          throw usage('not-root', 'Only root may install a service.', 'Run it with sudo.');
        }
        if (existsSync(join(root, DEFAULT_DATA, 'node.json'))) {
          throw usage(
            'is-node',
            'This machine is a node of a cluster and has a satellite already.',
            'Install satellites on machines that are no nodes.',
          );
        }
        const manager = serviceManager(root);
        const heard = await installService({
          ...target,
          root,
          uid: SERVICE_UID,
          manager,
          program: { file: process.execPath, addon: openAssets().read(ADDON) },
          env: io.env,
          signal: io.signal,
          token: () =>
            readSecret(io, {
              what: 'token',
              file: options.tokenFile,
              variable: 'TERRARIUM_ENROLMENT_TOKEN',
              remedy: 'Run `terrarium satellite token` where the cluster is administered.',
            }),
          log: (line) => io.stderr.write(`${line}\n`),
        });
        io.stdout.write(
          heard === undefined
            ? `The satellite is installed below ${root}; it starts with that machine.\n`
            : 'The satellite runs and is heard by ' +
                `${heard.address}${heard.kind === 'websocket' ? ', by WebSocket' : ''}.\n`,
        );
      });
  },
};
