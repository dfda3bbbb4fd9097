import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { websocketHost } from '../../bus/config.ts';
import { BUS_PATH } from '../../bus/connect.ts';
import { hostPort } from '../../host-port.ts';
import { API_PATHS } from '../api-paths.ts';
import type { CloudContext } from '../context.ts';
import type { CloudSettings } from '../settings.ts';
import { createApp } from './app.ts';
import { createBusPipe } from './bus-pipe.ts';
import { consoleFiles, loadConsole } from './console-files.ts';
import { openQuerySockets } from './query-sockets.ts';
import { serveHttps } from './server.ts';
import { upgrades } from './upgrades.ts';

/**
 * Serves console and API, with the WebSockets of queries and of satellites that come through the console's port.
 * @param renewed called when the certificates of `tlsDir` are other ones @throws Failure `listen`
 */
export async function serveConsole(
  settings: CloudSettings,
  context: CloudContext,
  renewed: () => void,
): Promise<{ stop(): Promise<void> }> {
  const { tlsDir, address } = settings;
  const { ports } = settings.config;
  const app = await createApp(context, consoleFiles(loadConsole(settings.consoleDir)));
  const tlsFile = (name: string): string => readFileSync(join(tlsDir, name), 'utf8');
  const busPipe = createBusPipe({
    host: websocketHost(address),
    port: ports.natsWebsocket,
    tls: () => ({ ca: tlsFile('ca.crt'), cert: tlsFile('client.crt'), key: tlsFile('client.key') }),
  });
  const upgrade = upgrades(app, context, {
    [API_PATHS.queryStream]: openQuerySockets(context),
    [BUS_PATH]: async ({ req }, socket, head) => busPipe.upgrade(req, socket, head),
  });
  const https = await serveHttps({
    address: settings.listen,
    port: ports.console,
    tlsDir,
    listener: app.callback(),
    upgrade,
    log: context.log,
    renewed,
  });
  context.log(`cloud: console and API on https://${hostPort(address, ports.console)}`);
  return {
    async stop() {
      busPipe.stop();
      await https.stop();
    },
  };
}
