import type { Case } from './preflight.ts';

/** Checks of the kernel, what it enforces and what it allows. */
export const KERNEL_CASES: Record<string, Case> = {
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
};
