import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, Failure } from '../../src/errors.ts';
import { hostPort } from '../../src/host-port.ts';
import { createKubeClient } from '../../src/kube/client.ts';
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts';
import { fingerprint } from '../../src/pki/authority.ts';
import { PORTS } from '../cluster/ports.ts';
import type { Role } from '../cluster/spec.ts';
import { readAgentConfig } from '../node/agent-config.ts';
import { ADMIN_CONF } from '../node/kubeadm.ts';
import { createToken } from './join-token.ts';

/** The whole command for one machine, with a token made now. */
export async function joinCommand(data: string, role: Role, expires: Date): Promise<string> {
  if (!existsSync(ADMIN_CONF)) {
    throw new Failure('not-control-plane', 'This machine is no control plane of a cluster, or you are not root.', {
      remedy: 'Run it as root on a control-plane node.',
      exitCode: EXIT.usage,
    });
  }
  const { node, ports } = readAgentConfig(data);
  const kube = createKubeClient(loadKubeconfig(ADMIN_CONF));
  try {
    const token = await createToken(kube, role, expires);
    const where = ports.agent === PORTS.agent.port ? node.address : hostPort(node.address, ports.agent);
    return (
      `terrarium join ${where} --token ${token} --ca-hash ` +
      `${fingerprint(readFileSync(join(data, 'pki/ca.crt'), 'utf8'))}${role === 'worker' ? ' --role worker' : ''}`
    );
  } finally {
    kube.close();
  }
}
