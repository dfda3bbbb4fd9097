import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'run a command as root in a machine: lab exec NAME -- CMD...',
  group: 'Lab',
  configure(cmd, io) {
    cmd
      .argument('<name>', 'the machine')
      .argument('<command...>', 'the command and its arguments, after --')
      .passThroughOptions()
      .action(async (name: string, words: string[]) => {
        const { labExec } = await import('../../../../installer/lab/exec.ts');
        process.exitCode = await labExec(name, words[0] === '--' ? words.slice(1) : words, io.env);
      });
  },
};
