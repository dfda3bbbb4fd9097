import type { Process } from './processes.ts';
import { namesIn, textOf } from './read.ts';

export interface SecurityFacts {
  selinux: 'enforcing' | 'permissive' | 'absent';
  apparmor: boolean;
  apparmorParser: boolean;
  /** fapolicyd runs: programs of unknown origin are refused. */
  fapolicyd: boolean;
  /** IMA appraisal enforced by the kernel's command line. */
  imaAppraise: boolean;
  /** Virus scanners and endpoint protection, by process name. */
  scanners: string[];
}

const SCANNERS = [
  'clamd',
  'clamonacc',
  'falcon-sensor',
  'mdatp',
  'wdavdaemon',
  'sentinelone',
  'sentineld',
  'cbagentd',
  'savd',
  'sophosav',
  'ds_agent',
  'xagt',
  'esets_daemon',
  'elastic-endpoin',
  'cylancesvc',
  'traps_pmd',
  'kesl',
];

/** @param enforce text of /sys/fs/selinux/enforce, which exists where SELinux runs */
function selinuxState(enforce: string | undefined): SecurityFacts['selinux'] {
  if (enforce === undefined) {
    return 'absent';
  }
  return enforce.trim() === '1' ? 'enforcing' : 'permissive';
}

export async function gatherSecurity(processes: Process[]): Promise<SecurityFacts> {
  const [enforce, apparmor, ...rest] = await Promise.all([
    textOf('/sys/fs/selinux/enforce'),
    textOf('/sys/module/apparmor/parameters/enabled'),
    textOf('/proc/cmdline'),
    Promise.all(['/sbin', '/usr/sbin'].map((f) => namesIn(f))),
  ]);
  const [cmdline, tools] = rest;
  const names = new Set(processes.map((p) => p.name));
  return {
    selinux: selinuxState(enforce),
    apparmor: apparmor?.trim() === 'Y',
    apparmorParser: tools.some((t) => t.includes('apparmor_parser')),
    fapolicyd: names.has('fapolicyd'),
    imaAppraise: /\bima_appraise=enforce\b/.test(cmdline ?? ''),
    scanners: SCANNERS.filter((s) => names.has(s)),
  };
}
