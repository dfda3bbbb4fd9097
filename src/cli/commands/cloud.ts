import { once } from 'node:events';
import type { CommandModule } from '../command.ts';

export const command: CommandModule = {
  summary: 'Run an instance of the cloud on a control-plane node',
  configure(cmd, io) {
    cmd.action(async () => {
      const { cloudSettings } = await import('../../cloud/settings.ts');
      const { startCloud } = await import('../../cloud/cloud.ts');
      process.umask(0o077);
      const log = (line: string): void => void io.stdout.write(`${new Date().toISOString()} ${line}\n`);
      const cloud = await startCloud(cloudSettings(io.env), log);
      if (!io.signal.aborted) {
        await once(io.signal, 'abort');
      }
      log('cloud: stopping');
      await cloud.stop();
      log('cloud: stopped');
    });
  },
};
