import { writeFileSync } from 'node:fs';
import { PORTS, PORT_NAMES } from '../../installer/cluster/ports.ts';
import { DEFAULT_DATA, DEFAULT_PREFIX } from '../../installer/cluster/spec.ts';
import { DEFAULT_ZONE } from '../../installer/cluster/zone.ts';
import { EXIT, Failure, isErrno } from '../errors.ts';
import type { Io } from './command.ts';

/** The text of a cluster.yaml with every key explained; what is optional is commented out. */
export function exampleClusterFile(addresses: string[], sshUser: string): string {
  const hosts = addresses.length === 0 ? ['10.0.0.11', '10.0.0.12', '10.0.0.13'] : addresses;
  return `# A cluster of Terrarium. Only \`hosts\` is needed; what is commented out shows the default or an example.
apiVersion: terrarium/v1
kind: Cluster

# name: terrarium

# How to log in; each host may say otherwise. The user needs root, or sudo without a password.
ssh:
  user: ${sshUser}
  # port: 22
  # key: ~/.ssh/id_ed25519      (default: the ssh agent, then ~/.ssh/id_*)

hosts:
${hosts
  .map((address, i) =>
    i === 0
      ? `  - address: ${address}
    # The address by which the other machines reach it. Machines with several networks: log in by another one.
    # ssh: { address: 192.168.1.11, port: 22, user: admin, key: ~/.ssh/other }
    # name: n1                   (default: the machine's host name, in lower case)
    # role: control-plane        (default: the first 1, 3 or 5 hosts are control planes, the others workers)
`
      : `  - address: ${address}\n`,
  )
  .join('')}
# network:
#   serviceRange: 240.96.0.0/16  (addresses that never leave a machine; at most /12, IPv6 /108)

# console:
#   name: console.example.com    (put into the certificate)
#   tlsCert: console.crt         (your own certificate and key instead of the cluster's CA)
#   tlsKey: console.key

# dns:
#   zone: ${DEFAULT_ZONE.padEnd(24)} (the cloud's own: console.ZONE, NODE.satellites.ZONE)

# paths:
#   prefix: ${DEFAULT_PREFIX}       (programs)
#   data: ${DEFAULT_DATA}      (state)

# Every port can be changed.
# ports:
${PORT_NAMES.map((n) => `#   ${`${n}: ${PORTS[n].port}`.padEnd(26)} (${PORTS[n].why})`).join('\n')}

# Single checks of \`terrarium preflight\` that may fail, each with the reason (it is recorded).
# preflight:
#   overrides:
#     - { check: memory, reason: evaluation on small machines }
`;
}

/** Writes the example. @throws Failure `exists` where there is a file already. */
export function writeExample(
  addresses: string[],
  options: { output: string; sshUser: string; force?: true },
  io: Io,
): void {
  const text = exampleClusterFile(addresses, options.sshUser);
  if (options.output === '-') {
    io.stdout.write(text);
    return;
  }
  try {
    writeFileSync(options.output, text, { flag: options.force === true ? 'w' : 'wx' });
  } catch (error) {
    if (isErrno(error, 'EEXIST')) {
      throw new Failure('exists', `${options.output} is there already.`, {
        remedy: 'Name another file with -o, or replace it with --force.',
        exitCode: EXIT.usage,
      });
    }
    throw new Failure(
      'cannot-write',
      `${options.output} cannot be written: ${error instanceof Error ? error.message : String(error)}.`,
      { exitCode: EXIT.usage },
    );
  }
  io.stdout.write(`Wrote ${options.output}. Edit it, then run: terrarium install -f ${options.output}\n`);
}
