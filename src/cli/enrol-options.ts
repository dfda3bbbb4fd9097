import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { Option, type Command } from 'commander';
import { EXIT, Failure } from '../errors.ts';
import type { CloudAddress } from '../satellite/enrol/client.ts';

/** What `satellite enrol` and `satellite install` are told alike. */
export interface EnrolFlags {
  tokenFile?: string;
  caHash: string;
  id?: string;
  advertiseAddress?: string;
  newKey?: true;
  wait: string;
}

export interface EnrolTarget {
  addresses: CloudAddress[];
  caHash: string;
  id: string;
  advertise: string | undefined;
  newKey: boolean;
  patienceMs: number;
}

/** @param wait what `--wait` waits for */
export function addEnrolOptions(cmd: Command, wait: string): Command {
  return cmd
    .argument(
      '<control-plane,…>',
      'addresses of control planes, with :port if it is not the usual one; the first that answers is used',
    )
    .option(
      '--token-file <file>',
      'one-time token, or - for stdin, which is the default; `terrarium satellite token` makes one (or ' +
        'TERRARIUM_ENROLMENT_TOKEN)',
    )
    .addOption(new Option('--ca-hash <sha256:hex>', "fingerprint of the cluster's CA").makeOptionMandatory())
    .option('--id <id>', "the satellite's name in the cluster (default: the host name)")
    .option('--advertise-address <address>', 'how others reach this machine, where that is not what its interfaces say')
    .option('--new-key', 'enrol with another key, after a revocation')
    .option('--wait <seconds>', wait, '60');
}

/** @throws Failure `usage` */
export async function enrolTarget(addresses: string, flags: EnrolFlags): Promise<EnrolTarget> {
  const { PORTS } = await import('../../installer/cluster/ports.ts');
  const { enrolledId } = await import('../cloud/satellites-api.ts');
  const { parseAddress } = await import('../satellite/enrol/client.ts');
  const id = (flags.id ?? hostname()).toLowerCase();
  const seconds = Number(flags.wait);
  const usage = (message: string, remedy: string): Failure =>
    new Failure('usage', message, { remedy, exitCode: EXIT.usage });
  if (!/^sha256:[0-9a-f]{64}$/.test(flags.caHash)) {
    throw usage(`--ca-hash ${flags.caHash} is no fingerprint.`, 'Copy the whole command as it was printed.');
  }
  if (!enrolledId.safeParse(id).success) {
    throw usage(`${id} is no name for a satellite.`, 'Give --id with at most 63 of a-z, 0-9, dot and hyphen.');
  }
  if (!(seconds >= 0 && seconds <= 86_400)) {
    throw usage(`--wait ${flags.wait} is no number of seconds up to a day.`, 'Give a number.');
  }
  // The cloud's DNS server answers with it.
  if (flags.advertiseAddress !== undefined && isIP(flags.advertiseAddress) === 0) {
    throw usage(`--advertise-address ${flags.advertiseAddress} is no IP address.`, 'Give one, without a port.');
  }
  return {
    addresses: addresses.split(',').map((a) => parseAddress(a.trim(), PORTS.console.port)),
    caHash: flags.caHash,
    id,
    advertise: flags.advertiseAddress,
    newKey: flags.newKey === true,
    patienceMs: seconds * 1000,
  };
}
