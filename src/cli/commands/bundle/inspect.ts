import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'List what is inside a bundle or this executable: parts, images, files, who signed it',
  group: 'Vendor',
  configure(cmd, io) {
    cmd
      .argument('[file]', 'a .bundle file or a terrarium executable (default: this one)')
      .option('--files', 'also list every file with its size and sha256')
      .option('--sbom', 'print the bill of materials (CycloneDX JSON) and nothing else')
      .option('--json', 'print everything as JSON')
      .action(async (file: string | undefined, options: { files?: boolean; sbom?: boolean; json?: boolean }) => {
        const { describe, printDescription } = await import('../../bundle-printer.ts');
        const { subject } = await import('../../bundle-subject.ts');
        const { description, sbom } = describe(subject(file));
        if (options.sbom === true) {
          io.stdout.write(sbom);
        } else if (options.json === true) {
          io.stdout.write(`${JSON.stringify(description)}\n`);
        } else {
          printDescription(description, options.files === true, io.stdout);
        }
      });
  },
};
