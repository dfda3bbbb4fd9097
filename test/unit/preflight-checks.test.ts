import t from 'tap';
import { clusterPorts, defaultServiceRange } from '../../installer/cluster/spec.ts';
import type { ClusterContext, Finding, Member } from '../../installer/preflight/check.ts';
import type { Facts } from '../../installer/preflight/facts/facts.ts';
import { gatherFacts } from '../../installer/preflight/facts/gather.ts';
import type { Pair } from '../../installer/preflight/matrix/result.ts';
import { allChecks } from '../../installer/preflight/registry.ts';

const ports = clusterPorts({ ports: undefined });
const context: ClusterContext = {
  file: { name: 'terrarium' },
  ports,
  prefix: '/opt/terrarium',
  data: '/var/lib/terrarium',
  serviceRange: defaultServiceRange(4),
  family: 4,
};

/** Dotted path of a fact and its value. */
type Change = Record<string, unknown>;

interface Case {
  /** What makes any machine pass this check, whatever the machine is on which the test runs. */
  good?: Change;
  /** One fact changed each, what is found then. */
  bad: [Change, Finding['severity'], RegExp][];
  /** Changes of the member itself. */
  member?: Partial<Member>;
}

const GIB = 2 ** 30;
const LOG = { diskErrors: [], diskErrorCount: 0, pauses: [] };
const DISK = { mountPoint: '/', devices: ['dm-0', 'sda'], quotas: [], ext4Errors: 0, xfsFtype: null, thinPool: null };
const POOL = { name: 'vg-pool-tpool', mode: 'rw', dataUsed: 0.5, metadataUsed: 0.1, freeBytes: 100 * GIB };
const CASES: Record<string, Case> = {
  architecture: { bad: [[{ 'os.arch': 'arm64' }, 'fail', /arm64/]] },
  'cpu-level': { bad: [[{ 'cpu.level': 1 }, 'fail', /v1 only/]] },
  'cpu-count': {
    good: { 'cpu.count': 4 },
    bad: [
      [{ 'cpu.count': 1 }, 'fail', /1 processor/],
      [{ 'cpu.count': 2 }, 'warn', /2 processors/],
    ],
  },
  memory: {
    good: { 'memory.totalBytes': 8 * GIB },
    bad: [
      [{ 'memory.totalBytes': GIB }, 'fail', /1\.0 GiB/],
      [{ 'memory.totalBytes': 2 * GIB }, 'warn', /2\.0 GiB/],
    ],
  },
  swap: {
    good: { 'memory.swapLive': [], 'memory.swapFstab': [], 'memory.swapUnits': [] },
    bad: [
      [{ 'memory.swapLive': [{ path: '/dev/sda2', bytes: GIB }] }, 'fail', /\/dev\/sda2, 1\.0 GiB/],
      [{ 'memory.swapFstab': ['UUID=1 none swap sw 0 0'] }, 'warn', /\/etc\/fstab: UUID=1/],
      [{ 'memory.swapUnits': ['/etc/systemd/zram-generator.conf'] }, 'warn', /zram/],
    ],
  },
  'memory-balloon': {
    good: { 'memory.balloonBytes': 0, 'memory.hostSwapBytes': null },
    bad: [
      [{ 'memory.balloonBytes': 64 * GIB }, 'warn', /taken 64\.0 GiB of memory back/],
      [{ 'memory.hostSwapBytes': GIB }, 'warn', /swapped 1\.0 GiB/],
    ],
  },
  'disk-errors': {
    good: { kernelLog: LOG, 'storage.disks': [DISK] },
    bad: [
      [
        { kernelLog: { ...LOG, diskErrors: ['I/O error, dev sda, sector 2048 op 0x1:(WRITE)'], diskErrorCount: 12 } },
        'warn',
        /has 12 errors .* the last: I\/O error, dev sda/,
      ],
      [{ 'storage.disks': [{ ...DISK, ext4Errors: 2 }] }, 'warn', /\/ \(dm-0\) has recorded 2 errors/],
    ],
  },
  'disk-quota': {
    good: { 'storage.disks': [DISK] },
    bad: [[{ 'storage.disks': [{ ...DISK, quotas: ['usrquota', 'grpquota'] }] }, 'warn', /usrquota and grpquota/]],
  },
  'thin-pool': {
    good: { 'storage.disks': [{ ...DISK, thinPool: POOL }], ...disks({ freeBytes: 20 * GIB, sizeBytes: 60 * GIB }) },
    bad: [
      [
        { 'storage.disks': [{ ...DISK, thinPool: { ...POOL, mode: 'out_of_data_space' } }] },
        'warn',
        /vg-pool-tpool, which is in the state out_of_data_space/,
      ],
      [{ 'storage.disks': [{ ...DISK, thinPool: { ...POOL, dataUsed: 0.9 } }] }, 'warn', /is 90 % full/],
      [{ 'storage.disks': [{ ...DISK, thinPool: { ...POOL, metadataUsed: 0.95 } }] }, 'warn', /95 % of its metadata/],
      [
        { 'storage.disks': [{ ...DISK, thinPool: { ...POOL, freeBytes: 10 * GIB } }] },
        'warn',
        /10\.0 GiB left though the file system shows 20\.0 GiB free/,
      ],
    ],
  },
  'log-limits': {
    good: {
      logs: { journalOnDisk: true, journalMaxBytes: GIB, syslog: 'rsyslogd', rotated: true },
      'storage.logs.sizeBytes': 40 * GIB,
    },
    bad: [
      [{ 'logs.journalMaxBytes': 10 * GIB }, 'warn', /may grow to 10\.0 GiB, 25 %/],
      [{ 'logs.journalMaxBytes': 50 * GIB }, 'warn', /50\.0 GiB, all of/],
      [{ 'logs.rotated': false }, 'warn', /rsyslogd writes/],
    ],
  },
  'sysctl-at-boot': {
    good: { 'limits.sysctlAtBoot': {}, 'limits.sysctl.fs\\.inotify\\.max_user_instances': '8192' },
    bad: [
      [
        {
          'limits.sysctlAtBoot': {
            'fs.inotify.max_user_instances': { value: '128', file: '/etc/sysctl.d/99-old.conf' },
          },
        },
        'warn',
        /is 8192 now but will be 128 .*99-old\.conf/,
      ],
    ],
  },
  'clock-jumps': {
    good: { kernelLog: { ...LOG, pauses: [{ sign: 'jumped', agoS: 4000, line: 'Time jumped backwards, rotating.' }] } },
    bad: [
      [
        {
          'kernelLog.pauses': [
            { sign: 'restored', agoS: 600, line: 'random: crng reseeded due to virtual machine fork' },
          ],
        },
        'warn',
        /^10 minutes ago .*snapshot/,
      ],
      [
        { 'kernelLog.pauses': [{ sign: 'clock source', agoS: 5, line: "Marking clocksource 'tsc' as unstable" }] },
        'warn',
        /^1 minute ago .*clock source/,
      ],
    ],
  },
  'kernel-version': {
    good: { 'os.kernel': '6.1.0-18-amd64' },
    bad: [
      [{ 'os.kernel': '4.19.0' }, 'fail', /4\.19/],
      [{ 'os.kernel': '5.10.0', 'cgroup.hierarchy': 'hybrid' }, 'fail', /hybrid/],
    ],
  },
  'cgroup-controllers': {
    good: { 'cgroup.hierarchy': 'unified', 'cgroup.controllers': ['cpu', 'cpuset', 'memory', 'pids'] },
    bad: [
      [{ 'cgroup.controllers': ['cpu', 'cpuset', 'pids'] }, 'fail', /controller memory/],
      [{ 'cgroup.hierarchy': 'hybrid' }, 'warn', /hybrid/],
    ],
  },
  'kernel-config': {
    bad: [[{ 'kernel.config': { SECCOMP_FILTER: 'n', OVERLAY_FS: 'm' } }, 'fail', /CONFIG_SECCOMP_FILTER\./]],
  },
  'kernel-bpf': {
    good: { 'kernel.btf': true, 'kernel.lockdown': null },
    bad: [
      [{ 'kernel.btf': false }, 'warn', /btf/],
      [{ 'kernel.lockdown': 'confidentiality' }, 'warn', /confidentiality/],
      [{ 'kernel.config': { BPF_SYSCALL: 'n' } }, 'warn', /CONFIG_BPF_SYSCALL/],
    ],
  },
  'overlay-module': {
    good: { 'kernel.modules.overlay': 'loadable' },
    bad: [[{ 'kernel.modules.overlay': 'missing' }, 'fail', /overlay/]],
  },
  tools: {
    good: { 'tools.modprobe': '/sbin/modprobe', 'tools.mount': '/bin/mount' },
    bad: [
      [{ 'tools.mount': null }, 'fail', /^mount is/],
      [{ 'tools.modprobe': null, 'kernel.modules.overlay': 'loadable' }, 'fail', /modprobe/],
    ],
  },
  selinux: {
    good: { 'security.selinux': 'permissive' },
    bad: [[{ 'security.selinux': 'enforcing' }, 'warn', /enforcing/]],
  },
  'apparmor-parser': {
    good: { 'security.apparmor': false },
    bad: [[{ 'security.apparmor': true, 'security.apparmorParser': false }, 'warn', /apparmor_parser/]],
  },
  'exec-control': {
    bad: [
      [{ 'security.fapolicyd': true }, 'fail', /fapolicyd/],
      [{ 'security.imaAppraise': true }, 'fail', /ima_appraise/],
    ],
  },
  scanner: { bad: [[{ 'security.scanners': ['falcon-sensor'] }, 'warn', /falcon-sensor/]] },
  'mount-noexec': {
    good: { 'storage.data.execOk': true, 'storage.prefix.execOk': true, 'storage.kubelet.execOk': true },
    bad: [
      [
        {
          'storage.data.execOk': false,
          'storage.data.mountOptions': ['rw', 'noexec'],
          'storage.data.mountPoint': '/var',
        },
        'fail',
        /\/var \(.*\) is mounted noexec/,
      ],
      [{ 'storage.prefix.execOk': false, 'storage.prefix.execError': 'EPERM' }, 'fail', /\/opt\/terrarium: .*EPERM/],
    ],
  },
  'not-writable': {
    good: { 'storage.data.execOk': true, 'storage.prefix.execOk': true, 'storage.kubelet.execOk': true },
    bad: [
      [{ 'storage.data.execOk': null, 'storage.data.execError': 'ENOSPC' }, 'fail', /disk is full/],
      [{ 'storage.prefix.execOk': null, 'storage.prefix.execError': 'EROFS' }, 'fail', /read-only/],
    ],
  },
  'mount-options': {
    good: { 'storage.data.mountOptions': ['rw'] },
    bad: [[{ 'storage.data.mountOptions': ['rw', 'nosuid', 'nodev'] }, 'warn', /nosuid and nodev/]],
  },
  'parents-searchable': {
    good: { 'storage.data.unsearchable': null, 'storage.prefix.unsearchable': null },
    bad: [[{ 'storage.data.unsearchable': '/var/lib' }, 'fail', /\/var\/lib lets/]],
  },
  'data-link': { bad: [[{ 'storage.data.linkTo': '/mnt/big' }, 'fail', /\/mnt\/big/]] },
  filesystem: {
    good: {
      'storage.data.filesystem': 'ext4',
      'storage.prefix.filesystem': 'ext4',
      'storage.kubelet.filesystem': 'xfs',
    },
    bad: [
      [{ 'storage.prefix.filesystem': 'nfs4' }, 'fail', /nfs4/],
      [
        { 'storage.kubelet.mountPoint': '/k', 'storage.disks': [{ ...DISK, mountPoint: '/k', xfsFtype: false }] },
        'fail',
        /kubelet lies on XFS .*ftype=0/,
      ],
      [{ 'storage.prefix.filesystem': 'btrfs' }, 'warn', /btrfs/],
      [{ 'storage.prefix.filesystem': 'fuse.sshfs' }, 'fail', /fuse\.sshfs/],
    ],
  },
  'free-space': {
    good: { 'own.node': null, ...disks({ freeBytes: 50 * GIB, sizeBytes: 60 * GIB }) },
    bad: [
      [disks({ freeBytes: 4 * GIB, sizeBytes: 60 * GIB }), 'fail', /4\.0 GiB free; .* need 4\.5 GiB/],
      [disks({ freeBytes: 8 * GIB, sizeBytes: 60 * GIB }), 'warn', /% full/],
      [
        {
          ...disks({ freeBytes: 50 * GIB, sizeBytes: 60 * GIB }),
          'storage.data.mountPoint': '/var',
          'storage.data.freeBytes': GIB,
        },
        'fail',
        /\/var has 1\.0 GiB/,
      ],
    ],
  },
  'disk-size': {
    good: { 'storage.data.sizeBytes': 100 * GIB },
    bad: [[{ 'storage.data.sizeBytes': 20 * GIB }, 'warn', /20\.0 GiB/]],
  },
  inodes: {
    good: { 'storage.data.inodes': 1000, 'storage.data.freeInodes': 500 },
    bad: [[{ 'storage.data.freeInodes': 50 }, 'fail', /50 of 1000/]],
  },
  'fsync-latency': {
    good: { 'storage.fsync': { samples: 100, p50Ms: 1, p99Ms: 3 } },
    bad: [
      [{ 'storage.fsync.p99Ms': 40 }, 'warn', /40 ms/],
      [{ 'storage.fsync.p99Ms': 300 }, 'warn', /300 ms/],
      [{ 'storage.fsync': { samples: 20, p50Ms: 60, p99Ms: 300 } }, 'fail', /300 ms/],
    ],
  },
  'write-speed': { good: { 'storage.writeMBs': 100 }, bad: [[{ 'storage.writeMBs': 3 }, 'fail', /3 MB\/s/]] },
  localhost: {
    good: {
      'network.hostsFile': true,
      'network.localhost': ['127.0.0.1', '::1'],
      'network.nameSources': ['files', 'dns'],
    },
    bad: [
      [{ 'network.nameSources': ['dns', 'files'] }, 'warn', /before \/etc\/hosts/],
      [{ 'network.nameSources': ['dns'] }, 'warn', /before/],
      [{ 'network.localhost': ['10.0.0.1'] }, 'fail', /10\.0\.0\.1/],
      [{ 'network.localhost': [] }, 'warn', /does not name/],
      [{ 'network.hostsFile': false }, 'fail', /no \/etc\/hosts/],
    ],
  },
  resolver: {
    good: { 'network.nameservers': ['192.0.2.53'], 'network.searchDomains': [] },
    bad: [
      [{ 'network.nameservers': ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'] }, 'warn', /4 servers/],
      [{ 'network.searchDomains': ['a', 'b', 'c', 'd', 'e', 'f', 'g'] }, 'warn', /7 search/],
      [{ 'network.nameservers': ['127.0.0.53'] }, 'info', /127\.0\.0\.53/],
    ],
  },
  ipv6: {
    good: { 'kernel.ipv6': true, 'limits.sysctl.net\\.ipv6\\.conf\\.all\\.disable_ipv6': '0' },
    bad: [[{ 'kernel.ipv6': false }, 'info', /switched off/]],
  },
  'service-range': {
    good: { 'network.routes': [], 'network.nameservers': [] },
    bad: [
      [{ 'network.routes': [{ destination: '240.96.0.0/24', device: 'eth1' }] }, 'fail', /eth1/],
      [{ 'network.nameservers': ['240.96.0.10'] }, 'fail', /240\.96\.0\.10/],
    ],
  },
  'port-taken': {
    good: { listeners: [], 'own.node': null },
    bad: [
      [
        {
          listeners: [
            {
              port: 6443,
              address: '0.0.0.0',
              pid: 77,
              command: 'haproxy',
              unit: 'haproxy.service',
              executable: '/usr/sbin/haproxy',
            },
          ],
        },
        'fail',
        /6443 .* haproxy \(pid 77, haproxy\.service\)/,
      ],
      [
        {
          listeners: [
            { port: 2380, address: '::', pid: 5, command: 'etcd', unit: 'etcd.service', executable: '/usr/bin/etcd' },
          ],
        },
        'fail',
        /2380 .*taken by etcd/,
      ],
      [
        { listeners: [{ port: 7444, address: '::', pid: null, command: null, unit: null, executable: null }] },
        'fail',
        /cannot be seen/,
      ],
    ],
  },
  'ephemeral-ports': {
    good: {
      'limits.sysctl.net\\.ipv4\\.ip_local_port_range': '1024\t60999',
      'limits.sysctl.net\\.ipv4\\.ip_local_reserved_ports': '1024-7444,7445,7446-32767',
    },
    bad: [
      [
        { 'limits.sysctl.net\\.ipv4\\.ip_local_reserved_ports': '1024-7444,7446-32767' },
        'warn',
        /the port 7445 \(executor\):/,
      ],
      [{ 'limits.sysctl.net\\.ipv4\\.ip_local_reserved_ports': '' }, 'warn', /7445 \(executor\)/],
    ],
  },
  firewall: {
    good: { firewall: { firewalld: false, ufw: false, inputChains: [], kubernetesChains: [], legacyTables: [] } },
    bad: [
      [{ 'firewall.firewalld': true }, 'warn', /firewalld/],
      [{ 'firewall.ufw': true }, 'warn', /ufw/],
      [
        { 'firewall.inputChains': [{ table: 'inet f', chain: 'input', policy: 'drop', rules: 3 }] },
        'warn',
        /inet f input/,
      ],
    ],
  },
  'network-manager': {
    good: { 'foreign.others': [] },
    bad: [[{ 'foreign.others': ['nm-cloud-setup'] }, 'warn', /nm-cloud-setup/]],
  },
  inotify: {
    good: {
      'limits.sysctl.fs\\.inotify\\.max_user_instances': '8192',
      'limits.sysctl.fs\\.inotify\\.max_user_watches': '524288',
    },
    bad: [
      [{ 'limits.sysctl.fs\\.inotify\\.max_user_instances': '128' }, 'warn', /128 watchers/],
      [{ 'limits.sysctl.fs\\.inotify\\.max_user_watches': '4096' }, 'fail', /4096/],
    ],
  },
  limits: {
    good: {
      'limits.openFilesHard': 1_048_576,
      'limits.sysctl.kernel\\.pid_max': '4194304',
      'limits.sysctl.vm\\.max_map_count': '262144',
    },
    bad: [
      [{ 'limits.openFilesHard': 4096 }, 'warn', /4096 open/],
      [{ 'limits.sysctl.kernel\\.pid_max': '1000' }, 'warn', /1000 processes/],
      [{ 'limits.sysctl.vm\\.max_map_count': '1024' }, 'warn', /1024 memory/],
    ],
  },
  capabilities: {
    good: { 'kernel.capSysAdmin': true, 'kernel.capSysResource': true },
    bad: [
      [{ 'kernel.capSysAdmin': false }, 'fail', /CAP_SYS_ADMIN/],
      [{ 'kernel.capSysResource': false }, 'info', /CAP_SYS_RESOURCE/],
    ],
  },
  proxy: {
    good: { 'limits.proxies': [] },
    bad: [
      [
        { 'limits.proxies': [{ where: '/etc/environment', variable: 'https_proxy', value: 'http://proxy:3128' }] },
        'warn',
        /https_proxy in \/etc\/environment/,
      ],
    ],
  },
  'clock-early': { bad: [[{ 'time.nowMs': 0 }, 'fail', /1970/]] },
  'time-keeper': {
    good: { 'time.keeper': 'chronyd' },
    bad: [[{ 'time.keeper': null, 'os.container': null }, 'info', /chrony/]],
  },
  'foreign-kubelet': {
    good: { foreign: { processes: [], units: [], paths: [], others: [] }, 'own.node': null },
    bad: [
      [
        { 'foreign.processes': [{ name: 'kubelet', pid: 9, unit: 'kubelet.service', executable: '/usr/bin/kubelet' }] },
        'fail',
        /kubelet \(pid 9, kubelet\.service\)/,
      ],
      [{ 'foreign.units': ['/etc/systemd/system/k3s.service'] }, 'fail', /k3s\.service/],
      [{ 'foreign.paths': ['/etc/kubernetes'] }, 'fail', /\/etc\/kubernetes/],
    ],
  },
  'foreign-runtime': {
    good: { foreign: { processes: [], units: [], paths: [], others: [] }, 'own.node': null },
    bad: [
      [
        { 'foreign.processes': [{ name: 'dockerd', pid: 9, unit: 'docker.service', executable: '/usr/bin/dockerd' }] },
        'warn',
        /dockerd/,
      ],
      [{ 'foreign.paths': ['/etc/cni/net.d'] }, 'warn', /cni/],
    ],
  },
  'dns-wildcard': {
    good: { 'dns.wildcards': [] },
    bad: [[{ 'dns.wildcards': ['example.org'] }, 'warn', /example\.org/]],
  },
  'dns-localhost': {
    good: { 'dns.localhosts': [], 'network.localhost': ['127.0.0.1'] },
    bad: [
      [{ 'dns.localhosts': [{ domain: 'example.org', address: '198.51.100.1' }] }, 'warn', /198\.51\.100\.1/],
      [
        { 'dns.localhosts': [{ domain: 'example.org', address: '198.51.100.1' }], 'network.localhost': [] },
        'fail',
        /localhost\.example\.org/,
      ],
    ],
  },
  leftovers: {
    good: { 'network.interfaces': [], 'firewall.kubernetesChains': [], 'own.node': null },
    bad: [
      [{ 'network.interfaces': [{ name: 'cni0', mtu: 1500, mac: '', addresses: [] }] }, 'warn', /cni0/],
      [{ 'firewall.kubernetesChains': ['KUBE-SERVICES'] }, 'warn', /KUBE-SERVICES/],
    ],
  },
  'reboot-pending': { good: { 'os.rebootRequired': false }, bad: [[{ 'os.rebootRequired': true }, 'warn', /restart/]] },
  systemd: {
    good: { 'os.init': 'systemd', 'os.systemdVersion': 252 },
    bad: [
      [{ 'os.init': 'tini' }, 'fail', /tini/],
      [{ 'os.systemdVersion': 237 }, 'fail', /237/],
    ],
  },
  'os-tested': {
    good: { 'os.id': 'debian', 'os.version': '12' },
    bad: [[{ 'os.id': 'arch' }, 'warn', /not been tested/]],
  },
  'unattended-upgrades': {
    good: { 'os.automaticReboot': null, 'foreign.others': ['unattended-upgr'] },
    bad: [[{ 'os.automaticReboot': '/etc/apt/apt.conf.d/50unattended-upgrades' }, 'warn', /50unattended-upgrades/]],
  },
  'own-state': {
    good: { 'own.node': null, 'own.nodeBroken': false },
    bad: [
      [{ 'own.nodeBroken': true }, 'fail', /damaged/],
      [
        {
          'own.node': {
            clusterId: 'x',
            cluster: 'terrarium',
            name: 'n1',
            address: '192.0.2.1',
            role: 'worker',
            state: 'installing',
          },
        },
        'info',
        /taken up again/,
      ],
    ],
  },
};

function disks(values: { freeBytes: number; sizeBytes: number }): Change {
  return Object.fromEntries(
    ['prefix', 'data', 'kubelet'].flatMap((f) =>
      Object.entries({ mountPoint: '/', ...values }).map(([k, v]) => [`storage.${f}.${k}`, v] as const),
    ),
  );
}

/** Changes facts in place; `\.` is a dot within a name. */
function change(facts: Facts, changes: Change): Facts {
  for (const [path, value] of Object.entries(changes)) {
    const names = path.split(/(?<!\\)\./).map((n) => n.replaceAll('\\.', '.'));
    const last = names.pop() ?? '';
    let at = facts as unknown as Record<string, unknown>;
    for (const name of names) {
      at = at[name] as Record<string, unknown>;
    }
    if (!(last in at)) {
      throw new Error(`the gatherer tells no ${path}`);
    }
    at[last] = structuredClone(value);
  }
  return facts;
}

t.test('checks of one machine', async (t) => {
  const real = await gatherFacts(
    { prefix: context.prefix, data: context.data, ports: [6443] },
    { https_proxy: 'http://user:secret@proxy:3128' },
  );
  t.notMatch(JSON.stringify(real), /secret/, 'no password in the facts');
  const member = (facts: Facts, more: Partial<Member> = {}): Member => ({
    name: 'n1',
    named: true,
    address: '192.0.2.1',
    role: 'control-plane',
    facts,
    ...more,
  });
  const checks = await allChecks();
  const special = new Set(['hostname', 'address-here', 'address-lease', 'ssh-login']);
  for (const check of checks) {
    if (check.scope !== 'host' || special.has(check.code)) {
      continue;
    }
    const wanted = CASES[check.code];
    if (wanted === undefined) {
      t.fail(`${check.code} has no test`);
      continue;
    }
    const good = (): Facts => change(structuredClone(real), wanted.good ?? {});
    t.same(check.judge(member(good(), wanted.member), context), [], `${check.code}: passes`);
    for (const [bad, severity, message] of wanted.bad) {
      const found = check.judge(member(change(good(), bad), wanted.member), context);
      t.match(found[0], { severity, message }, `${check.code}: ${JSON.stringify(bad)}`);
      t.ok(severity === 'info' || found.every((f) => f.remedy !== undefined), `${check.code}: says what to do`);
    }
  }

  await t.test('hostname', async (t) => {
    const check = checks.find((c) => c.code === 'hostname');
    if (check?.scope !== 'host') {
      return t.fail('no such check');
    }
    const judge = (name: string, named = true): Finding[] => check.judge(member(real, { name, named }), context);
    t.same(judge('node-1.example.org'), []);
    t.match(judge('node_b'), [{ severity: 'fail' }]);
    t.match(judge('localhost', false), [{ severity: 'fail', remedy: /hostnamectl/ }]);
    t.match(judge('n'.repeat(55)), [{ severity: 'fail', message: /55/ }]);
    const folded = change(structuredClone(real), { 'os.hostname': 'Node-B', 'os.staticHostname': 'Node-B' });
    t.match(check.judge(member(folded, { name: 'node-b', named: false }), context), [
      { severity: 'info', message: /Node-B/ },
    ]);

    const called = (staticHostname: string | null, more: Change = {}): Facts =>
      change(structuredClone(real), {
        'os.hostname': 'node-7',
        'os.staticHostname': staticHostname,
        'os.container': null,
        ...more,
      });
    const unnamed = (facts: Facts): Finding[] => check.judge(member(facts, { name: 'node-7', named: false }), context);
    t.same(unnamed(called('node-7')), []);
    t.match(
      unnamed(called(null)),
      [{ severity: 'fail', message: /comes from DHCP/, remedy: /hostnamectl/ }],
      'a name that DHCP gave',
    );
    t.match(unnamed(called('localhost.localdomain')), [{ severity: 'fail', message: /comes from DHCP/ }]);
    t.match(unnamed(called('debian')), [{ severity: 'fail', message: /\/etc\/hostname says debian/ }]);
    t.match(unnamed(called('node-7.example.org')), [{ severity: 'warn' }], 'only the domain differs');
    t.same(unnamed(called(null, { 'os.container': 'docker' })), [], 'its manager names a container');
    t.same(
      check.judge(member(called(null), { name: 'node-7', named: true }), context),
      [],
      'a name in cluster.yaml stays',
    );
  });

  await t.test('address', async (t) => {
    const here = checks.find((c) => c.code === 'address-here');
    const lease = checks.find((c) => c.code === 'address-lease');
    if (here?.scope !== 'host' || lease?.scope !== 'host') {
      return t.fail('no such check');
    }
    const device = (dynamic: boolean) =>
      change(structuredClone(real), {
        'network.interfaces': [
          {
            name: 'eth0',
            mtu: 1500,
            mac: '02:00:00:00:00:01',
            addresses: [{ address: '192.0.2.1', prefixLength: 24, dynamic }],
          },
        ],
      });
    t.same(here.judge(member(device(false)), context), []);
    t.same(lease.judge(member(device(false)), context), []);
    t.match(lease.judge(member(device(true)), context), [{ severity: 'warn', message: /DHCP/ }]);
    t.match(here.judge(member(device(false), { address: '203.0.113.1' }), context), [
      { severity: 'fail', message: /there are: 192\.0\.2\.1 on eth0/ },
    ]);
    t.match(here.judge(member(real, { address: '127.0.0.1' }), context), [{ severity: 'fail', message: /loopback/ }]);
  });

  await t.test('ssh login', async (t) => {
    const check = checks.find((c) => c.code === 'ssh-login');
    if (check?.scope !== 'host') {
      return t.fail('no such check');
    }
    t.same(check.judge(member(real, { loginMs: 400 }), context), []);
    t.same(check.judge(member(real), context), [], 'this very machine');
    t.match(check.judge(member(real, { loginMs: 10_400 }), context), [
      { severity: 'warn', message: /10\.4 s/, remedy: /UseDNS/ },
    ]);
  });

  await t.test('what cannot be known is no warning', async (t) => {
    const unknown = change(structuredClone(real), {
      kernelLog: null,
      'storage.disks': [{ ...DISK, devices: [], ext4Errors: null }],
      'memory.balloonBytes': null,
      'memory.hostSwapBytes': null,
      'logs.journalMaxBytes': null,
      'logs.syslog': null,
      'limits.sysctlAtBoot': {},
    });
    for (const code of [
      'disk-errors',
      'disk-quota',
      'thin-pool',
      'clock-jumps',
      'memory-balloon',
      'log-limits',
      'sysctl-at-boot',
    ]) {
      const check = checks.find((c) => c.code === code);
      t.same(check?.scope === 'host' && check.judge(member(unknown), context), [], code);
    }
  });

  t.test('a family that the kernel lacks', async (t) => {
    const check = checks.find((c) => c.code === 'ipv6');
    if (check?.scope !== 'host') {
      return t.fail('no such check');
    }
    t.match(check.judge(member(change(structuredClone(real), { 'kernel.ipv6': false })), { ...context, family: 6 }), [
      { severity: 'fail' },
    ]);
  });

  t.test('a taken port of our own install is no failure', async (t) => {
    const check = checks.find((c) => c.code === 'port-taken');
    if (check?.scope !== 'host') {
      return t.fail('no such check');
    }
    const listener = {
      port: 6443,
      address: '0.0.0.0',
      pid: 1,
      command: 'kube-apiserver',
      unit: null,
      executable: '/usr/local/bin/kube',
    };
    const own = {
      clusterId: 'x',
      cluster: 'terrarium',
      name: 'n1',
      address: '192.0.2.1',
      role: 'control-plane',
      state: 'installed',
    };
    t.same(check.judge(member(change(structuredClone(real), { listeners: [listener], 'own.node': own })), context), []);
  });

  await t.test('checks of several machines', async (t) => {
    const machine = (name: string, changes: Change = {}, role: Member['role'] = 'control-plane'): Member => {
      const index = Number(name.slice(1));
      const own: Change = {
        'os.machineId': `machine-id-${name}`,
        'os.sshHostKeys': [`ssh-ed25519 ${name}`],
        'own.node': null,
        'network.interfaces': [
          {
            name: 'eth0',
            mtu: 1500,
            mac: `02:00:00:00:00:0${index}`,
            addresses: [{ address: `192.0.2.${index}`, prefixLength: 24, dynamic: false }],
          },
        ],
      };
      return {
        name,
        named: true,
        address: `192.0.2.${index}`,
        role,
        facts: change(structuredClone(real), { ...own, ...changes }),
      };
    };
    const pair = (from: string, to: string, more: Partial<Pair> = {}): Pair => ({
      from,
      to,
      ports: [{ name: 'agent', port: 7444, outcome: 'open' }],
      roundTripsMs: [0.2, 0.3],
      skew: { ms: 0.1, errorMs: 1 },
      mtu: { device: 'eth0', deviceMtu: 1500, passes: 1500, told: null },
      synOption: 'kept',
      bulk: true,
      mbits: 940,
      checksumErrors: 0,
      ...more,
    });
    const ours = (name: string, more: Partial<NonNullable<Facts['own']['node']>> = {}): Change => ({
      'own.node': {
        clusterId: 'id-1',
        cluster: 'terrarium',
        name,
        address: `192.0.2.${name.slice(1)}`,
        role: 'control-plane',
        state: 'installing',
        ...more,
      },
    });
    const good = [machine('n1'), machine('n2'), machine('n3')];
    const ways = [pair('n1', 'n2'), pair('n2', 'n1')];
    const cases: Record<string, [Member[], Pair[], Finding['severity'], RegExp][]> = {
      'duplicate-hostname': [
        [
          [machine('n1'), { ...machine('n2'), name: 'n1' }],
          ways,
          'fail',
          /192\.0\.2\.1 and 192\.0\.2\.2 are all called n1/,
        ],
      ],
      'duplicate-machine-id': [
        [[machine('n1', { 'os.machineId': 'x' }), machine('n2', { 'os.machineId': 'x' })], ways, 'fail', /n1 and n2/],
      ],
      'duplicate-mac': [
        [
          [
            machine('n1'),
            {
              ...machine('n2', { 'network.interfaces': machine('n1').facts.network.interfaces }),
              address: '192.0.2.1',
            },
          ],
          ways,
          'fail',
          /02:00:00:00:00:01/,
        ],
      ],
      'duplicate-host-key': [
        [
          [
            machine('n1', { 'os.sshHostKeys': ['ssh-ed25519 x'] }),
            machine('n2', { 'os.sshHostKeys': ['ssh-ed25519 x'] }),
          ],
          ways,
          'warn',
          /ssh-ed25519/,
        ],
      ],
      'mtu-equal': [
        [
          [
            machine('n1'),
            machine('n2', {
              'network.interfaces': [
                {
                  name: 'eth0',
                  mtu: 9000,
                  mac: '',
                  addresses: [{ address: '192.0.2.2', prefixLength: 24, dynamic: false }],
                },
              ],
            }),
          ],
          ways,
          'warn',
          /1500 on n1; 9000 on n2/,
        ],
      ],
      'other-cluster': [
        [[machine('n1', ours('n1', { cluster: 'shop', clusterId: 'id-9' }))], [], 'fail', /another cluster: shop/],
        [[machine('n1', ours('n1')), machine('n2', ours('n2', { clusterId: 'id-2' }))], [], 'fail', /another cluster/],
        [[machine('n1', ours('n1', { address: '192.0.2.9' }))], [], 'fail', /192\.0\.2\.9, not 192\.0\.2\.1/],
        [[machine('n1', ours('n1', { role: 'worker' }))], [], 'fail', /installed as worker/],
      ],
      'clock-skew': [
        [good, [pair('n1', 'n2', { skew: { ms: 400, errorMs: 1 } })], 'warn', /differ by 399 ms \(n1 is behind\)/],
        [good, [pair('n1', 'n2', { skew: { ms: -60_000, errorMs: 1 } })], 'fail', /60 s \(n2 is behind\)/],
      ],
      'port-blocked': [
        [
          good,
          [
            pair('n1', 'n2', {
              ports: [
                { name: 'agent', port: 7444, outcome: 'timeout' },
                { name: 'nats', port: 7446, outcome: 'open' },
              ],
            }),
          ],
          'fail',
          /n1 → n2: port 7444 \(agent\) cannot be reached: no answer/,
        ],
        [
          good,
          [pair('n1', 'n2', { ports: [{ name: 'agent', port: 7444, outcome: 'stranger' }] })],
          'fail',
          /another machine answers/,
        ],
      ],
      mtu: [
        [
          good,
          [pair('n1', 'n3', { mtu: { device: 'eth0', deviceMtu: 1500, passes: 1400, told: null } })],
          'fail',
          /n1 → n3: frames larger than 1400 bytes vanish though eth0 says 1500/,
        ],
        [
          good,
          [pair('n1', 'n3', { mtu: { device: 'eth0', deviceMtu: 1500, passes: 1400, told: 1400 } })],
          'warn',
          /a router in between says so/,
        ],
        [
          good,
          [pair('n1', 'n3', { mtu: { device: 'eth0', deviceMtu: 1500, passes: null, told: null }, bulk: false })],
          'fail',
          /vanish/,
        ],
      ],
      'checksum-errors': [
        [
          good,
          [pair('n1', 'n2', { checksumErrors: 7 }), pair('n3', 'n2', { checksumErrors: 7 })],
          'warn',
          /^7 packets came in/,
        ],
      ],
      bandwidth: [[good, [pair('n1', 'n2', { mbits: 9 })], 'warn', /9 Mbit/]],
      'syn-option': [
        [good, [pair('n1', 'n2', { synOption: 'stripped' })], 'warn', /removes unknown TCP options/],
        [good, [pair('n1', 'n2', { synOption: 'dropped' })], 'warn', /drops a SYN/],
      ],
      'round-trip': [
        [good, [pair('n1', 'n2', { roundTripsMs: [1, 2, 20, 30] })], 'warn', /20\.0 ms, at times 20 ms/],
        [good, [pair('n1', 'n2', { roundTripsMs: [60, 61, 62] })], 'fail', /61 ms/],
      ],
    };
    for (const check of checks) {
      if (check.scope !== 'cluster') {
        continue;
      }
      t.same(check.judge(good, context, ways), [], `${check.code}: passes`);
      t.same(
        check.judge(
          good.map((m) => machine(m.name, ours(m.name))),
          context,
          ways,
        ),
        [],
        `${check.code}: passes where an install is taken up again`,
      );
      t.ok(cases[check.code], `${check.code} has a test`);
      for (const [members, pairs, severity, message] of cases[check.code] ?? []) {
        t.match(check.judge(members, context, pairs)[0], { severity, message, remedy: String }, check.code);
      }
    }
    const jumbo = machine('n1', {
      'network.interfaces': [
        { name: 'eth0', mtu: 9000, mac: '', addresses: [{ address: '192.0.2.1', prefixLength: 24, dynamic: false }] },
      ],
    });
    const mtu = checks.find((c) => c.code === 'mtu');
    if (mtu?.scope !== 'cluster') {
      return t.fail('no such check');
    }
    t.same(
      mtu.judge([jumbo, machine('n2')], context, [
        pair('n1', 'n2', { mtu: { device: 'eth0', deviceMtu: 9000, passes: 1500, told: null } }),
      ]),
      [],
      'TCP never sends more than the other end takes',
    );
  });
});

t.test('every check is filed under its code', async (t) => {
  const checks = await allChecks();
  t.ok(checks.length >= 55);
  for (const check of checks) {
    t.match(check.code, /^[a-z0-9-]+$/);
  }
  t.equal(new Set(checks.map((c) => c.code)).size, checks.length);
});
