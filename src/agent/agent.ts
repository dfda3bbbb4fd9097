import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { readAgentConfig, type AgentConfig } from '../../installer/node/agent-config.ts';
import { knownServers, followServers } from './api-servers.ts';
import { backendPool } from './backends.ts';
import { startBalancer } from './balancer.ts';
import { startJoinServer } from './join-server.ts';
import { agentAccess } from './kubernetes.ts';
import { readyProbe } from './ready.ts';
import { startVolumes } from './volumes.ts';

const CHECK_EVERY_MS = 2_000;

/** The node agent: runs until the signal is aborted. Everything in it goes on with the API down. */
export async function runAgent(data: string, signal: AbortSignal, log: (line: string) => void): Promise<void> {
  const config = readAgentConfig(data);
  await keepServiceRangeHere(config, log);
  const ca = join(data, 'pki/kubernetes/ca.crt');
  const pool = backendPool(config.node.address, readyProbe(ca), log);
  pool.replace(knownServers(config));
  const host = config.family === 6 ? '::1' : '127.0.0.1';
  const server = startBalancer({ host, port: config.ports.balancer }, pool, log);
  signal.addEventListener('abort', () => server.close(), { once: true });
  log(
    `load balancer on ${host} port ${config.ports.balancer} in front of ${pool
      .list()
      .map((e) => e.backend.address)
      .join(', ')}`,
  );
  const checks = checkForever(() => pool.check(), signal);
  if (config.node.role === 'control-plane') {
    startJoinServer(config, signal, log);
  }
  const client = await agentAccess(config, signal);
  if (client !== undefined) {
    await Promise.all([
      followServers(config, client, (servers) => pool.replace(servers), signal),
      startVolumes(config, client, signal, log),
    ]);
  }
  await checks;
  process.exit(0);
}

async function checkForever(check: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await check();
    await sleep(CHECK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** A service address that nothing translates must fail here instead of leaving the machine by the default route. */
async function keepServiceRangeHere(config: AgentConfig, log: (line: string) => void): Promise<void> {
  const args = [...(config.family === 6 ? ['-6'] : []), 'route', 'replace', 'unreachable', config.serviceRange];
  const { exitCode, stderr } = await execa('ip', args, { reject: false });
  if (exitCode !== 0) {
    log(`the unreachable route for ${config.serviceRange} cannot be set: ${stderr}`);
  }
}
