import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'Add an application (images, Kubernetes YAML, app.yaml) and sign the whole',
  group: 'Vendor',
  configure(cmd, io) {
    cmd
      .argument('<app.yaml>', 'the application: apiVersion terrarium/v1, kind Application; see manifests/examples/')
      .requiredOption(
        '-o, --out <file>',
        'a name ending in .bundle gives a bundle that upgrades use, any other an executable that installs everything',
      )
      .option('--base <file>', 'terrarium executable or bundle to add it to (default: this executable)')
      .option('--trust-key <key>', 'take a base that is signed by this key: 64 hexadecimal digits, or a PEM file')
      .addHelpText(
        'after',
        '\n' +
          "The result is signed by the key in TERRARIUM_SIGNING_KEY (a PEM file or its path), else by this machine's " +
          'development key.\n' +
          'Machines take it if that is the key their terrarium was built with.',
      )
      .action(async (application: string, options: { out: string; base?: string; trustKey?: string }) => {
        const { buildApplicationBundle } = await import('../../../../installer/bundle/application/build.ts');
        const { signingKey } = await import('../../../../installer/bundle/sign.ts');
        const { subject, trust } = await import('../../bundle-subject.ts');
        const key = signingKey(io.env);
        const built = await buildApplicationBundle({
          application,
          base: subject(options.base),
          out: options.out,
          key,
          trustedKeys: trust(options.trustKey),
        });
        io.stdout.write(
          `${options.out}: ${built.name} ${built.version} with ` +
            `${built.images.length === 0 ? 'no image of its own' : built.images.join(', ')}, signed by ` +
            `${key.development ? 'the development key ' : ''}${key.publicKey.toString('hex')}\n`,
        );
      });
  },
};
