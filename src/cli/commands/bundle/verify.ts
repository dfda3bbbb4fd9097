import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'Check every byte of a bundle or of this executable: signature, index, hashes',
  group: 'Vendor',
  configure(cmd, io) {
    cmd
      .argument('[file]', 'a .bundle file or a terrarium executable (default: this one)')
      .option('--trust-key <key>', 'also take what is signed by this key: 64 hexadecimal digits, or a PEM file')
      .option('--json', 'print the result as JSON')
      .action(async (file: string | undefined, options: { trustKey?: string; json?: boolean }) => {
        const { verifyPayload } = await import('../../../payload/verify.ts');
        const { subject, trust } = await import('../../bundle-subject.ts');
        const path = subject(file);
        const index = await verifyPayload(path, { trustedKeys: trust(options.trustKey) });
        if (options.json === true) {
          const { version, kubernetes, developmentKey, entries } = index;
          const result = { file: path, ok: true, version, kubernetes, developmentKey, entries: entries.length };
          io.stdout.write(`${JSON.stringify(result)}\n`);
          return;
        }
        io.stdout.write(
          `${path} is genuine: terrarium ${index.version} with Kubernetes ${index.kubernetes}, ` +
            `${index.entries.length} entries, every byte checked.\n`,
        );
        if (index.developmentKey) {
          io.stdout.write('It is signed by a development key: good for trying, not for delivering.\n');
        }
      });
  },
};
