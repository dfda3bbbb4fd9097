import { LOG, type Case } from './preflight.ts';

const GIB = 2 ** 30;

/** Checks of hardware, operating system and clock. */
export const MACHINE_CASES: Record<string, Case> = {
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
  'clock-early': { bad: [[{ 'time.nowMs': 0 }, 'fail', /1970/]] },
  'time-keeper': {
    good: { 'time.keeper': 'chronyd' },
    bad: [[{ 'time.keeper': null, 'os.container': null }, 'info', /chrony/]],
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
};
