import t from 'tap';
import { deviceChain, gatherDisk, thinPool, xfsFtype } from '../../installer/preflight/facts/disks.ts';
import {
  gatherKernelLog,
  kernelLine,
  kernelLogFacts,
  type KernelLine,
} from '../../installer/preflight/facts/kernel-log.ts';
import { settingsAtBoot } from '../../installer/preflight/facts/limits.ts';
import { bytes, gatherLogs, journaldSettings } from '../../installer/preflight/facts/logs.ts';
import { balloonBytes } from '../../installer/preflight/facts/memory.ts';
import { nameSources } from '../../installer/preflight/facts/network.ts';
import { automaticReboot, staticHostname } from '../../installer/preflight/facts/os.ts';
import { countChecksumErrors } from '../../installer/preflight/matrix/checksums.ts';

const at = (atS: number, ...texts: string[]): KernelLine[] => texts.map((text) => ({ atS, text }));

t.test('records of the kernel log', async (t) => {
  t.same(kernelLine('6,339,5140900,-;NET: Registered PF_INET6\n SUBSYSTEM=net\n'), {
    atS: 5.1409,
    text: 'NET: Registered PF_INET6',
  });
  t.same(kernelLine('3,1234,12696504848,c,caller=T1;I/O error, dev sda; again'), {
    atS: 12_696.504848,
    text: 'I/O error, dev sda; again',
  });
  t.equal(kernelLine('nonsense'), undefined);
  const own = gatherKernelLog([]);
  t.ok(own === null || own.diskErrorCount === 0, 'the log of this machine is read, or not at all');
});

t.test('errors of disks', async (t) => {
  const errors = (texts: string[], devices = ['dm-0', 'sda3', 'sda']): number =>
    kernelLogFacts(at(4000, ...texts), devices, 9000).diskErrorCount;
  for (const line of [
    'I/O error, dev sda, sector 2048 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 2',
    'blk_update_request: I/O error, dev sda, sector 2048',
    'Buffer I/O error on dev sda3, logical block 1, lost async page write',
    'EXT4-fs error (device dm-0): ext4_find_entry:1455: inode #2: comm ls: reading directory lblock 0',
    'EXT4-fs (dm-0): Remounting filesystem read-only',
    'XFS (dm-0): metadata I/O error in "xfs_trans_read_buf_map" at daddr 0x2 len 1 error 5',
    'BTRFS error (device sda3 state EA): open_ctree failed',
    'critical medium error, dev sda, sector 1',
  ]) {
    t.equal(errors([line]), 1, line);
  }
  for (const line of [
    'I/O error, dev fd0, sector 0 op 0x0:(READ)',
    'I/O error, dev sda33, sector 0',
    'Buffer I/O error on dev sr0, logical block 0, async page read',
    'EXT4-fs error (device loop1): ext4_journal_check_start:84: comm x: Detected aborted journal',
    'EXT4-fs (dm-0): mounted filesystem 7abf9688 r/w with ordered data mode. Quota mode: none.',
    'EXT4-fs (dm-0): shut down requested (2)',
    'EXT4-fs (dm-0): re-mounted 7abf9688 r/w.',
    'sd 0:0:0:0: [sda] Write cache: enabled, read cache: enabled, does not support DPO or FUA',
    'systemd[1]: Mounted /mnt/sda',
  ]) {
    t.equal(errors([line]), 0, line);
  }
  t.equal(
    errors(['EXT4-fs error (device loop1): x', 'EXT4-fs (loop1): mounted filesystem 7abf r/w'], ['loop1']),
    0,
    'of an earlier use of the device',
  );
  t.equal(errors(['EXT4-fs error (device loop1): x', 'EXT4-fs (loop2): mounted filesystem 7abf r/w'], ['loop1']), 1);
  const many = kernelLogFacts(
    at(1, ...Array.from({ length: 9 }, (_, i) => `I/O error, dev sda, sector ${i}`)),
    ['sda'],
    2,
  );
  t.same(
    [many.diskErrorCount, many.diskErrors.length, many.diskErrors.at(-1)],
    [9, 3, 'I/O error, dev sda, sector 8'],
    'the last are kept',
  );
});

t.test('signs of a pause', async (t) => {
  const signs = (lines: KernelLine[]): unknown[] => kernelLogFacts(lines, [], 9000).pauses.map((p) => [p.sign, p.agoS]);
  t.same(signs(at(8400, 'random: crng reseeded due to virtual machine fork')), [['restored', 600]]);
  t.same(signs(at(8990, 'systemd-journald[25]: Time jumped backwards, rotating.')), [['jumped', 10]]);
  t.same(
    signs(
      at(
        8990,
        "clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable because the skew is too " +
          'large:',
      ),
    ),
    [['clock source', 10]],
  );
  t.same(signs(at(8990, 'PM: suspend exit')), [['resumed', 10]]);
  t.same(signs(at(8990, 'watchdog: BUG: soft lockup - CPU#0 stuck for 23s! [swapper/0:0]')), [['stood still', 10]]);
  t.same(
    signs(
      at(
        2,
        'tsc: Marking TSC unstable due to TSCs unsynchronized',
        "clocksource: timekeeping watchdog: Marking clocksource 'tsc' as unstable",
        'systemd-journald[25]: Time jumped backwards, rotating.',
      ),
    ),
    [],
    'while it boots that is nothing',
  );
  t.same(
    signs(
      at(
        8990,
        'clocksource: Switched to clocksource kvm-clock',
        'Freezing user space processes completed (elapsed 0.001 seconds)',
        'PM: suspend entry (deep)',
      ),
    ),
    [],
  );
});

t.test('disks of this machine, and one that is none', async (t) => {
  const root = await gatherDisk({
    at: '/',
    number: '0:0',
    device: 'none',
    filesystem: 'tmpfs',
    options: ['rw', 'usrquota', 'usrjquota=aquota.user', 'prjquota', 'noquota'],
  });
  t.same(root, {
    mountPoint: '/',
    devices: [],
    quotas: ['usrquota', 'usrjquota=aquota.user'],
    ext4Errors: null,
    xfsFtype: null,
    thinPool: null,
  });
});

t.test('what a file system lies on', async (t) => {
  // As sysfs shows a logical volume on two partitions, one of them of a disk that both share.
  const sysfs = t.testdir({
    block: {
      sda: { sda1: { partition: '1' }, sda2: { partition: '2' } },
      sdb: {},
      'dm-0': {
        slaves: {
          sda2: t.fixture('symlink', '../../sda/sda2'),
          sdb: t.fixture('symlink', '../../sdb'),
          sda1: t.fixture('symlink', '../../sda/sda1'),
        },
      },
      'dm-1': { slaves: { 'dm-0': t.fixture('symlink', '../../dm-0') } },
    },
  });
  t.same(await deviceChain(`${sysfs}/block/sda/sda1`), ['sda1', 'sda']);
  const chain = await deviceChain(`${sysfs}/block/dm-1`);
  t.equal(chain[0], 'dm-1', 'the own one first');
  t.same(chain.toSorted(), ['dm-0', 'dm-1', 'sda', 'sda1', 'sda2', 'sdb']);
});

t.test('types of files in XFS', async (t) => {
  const superblock = (version: number, features2: number, incompat: number): Buffer => {
    const sector = Buffer.alloc(512);
    sector.write('XFSB', 'latin1');
    sector.writeUInt16BE(0xb4a0 | version, 100);
    sector.writeUInt32BE(features2, 200);
    sector.writeUInt32BE(incompat, 216);
    return sector;
  };
  t.equal(xfsFtype(superblock(5, 0x18a, 3)), true);
  t.equal(xfsFtype(superblock(4, 0x28a, 0)), true);
  t.equal(xfsFtype(superblock(4, 0x8a, 0)), false);
  t.equal(xfsFtype(Buffer.alloc(512)), null);
  t.equal(xfsFtype(Buffer.from('XFSB')), null);
});

t.test('thin pools, as dmsetup shows them', async (t) => {
  const table = '0 409600 thin-pool 253:1 253:2 128 0 1 skip_block_zeroing\n';
  t.same(
    thinPool('p', '0 409600 thin-pool 1 410/4100 800/3200 - rw discard_passdown queue_if_no_space - 1024\n', table),
    { name: 'p', mode: 'rw', dataUsed: 0.25, metadataUsed: 0.1, freeBytes: 2400 * 128 * 512 },
  );
  t.match(
    thinPool(
      'p',
      '0 409600 thin-pool 1 410/4100 3200/3200 - out_of_data_space discard_passdown queue_if_no_space - 1024',
      table,
    ),
    { mode: 'out_of_data_space', dataUsed: 1, freeBytes: 0 },
  );
  t.match(thinPool('p', '0 409600 thin-pool Fail', table), { mode: 'fail' });
  t.equal(thinPool('p', '', ''), null);
  t.equal(thinPool('p', '0 8 linear', '0 8 linear 8:1 0'), null);
});

t.test('settings at boot: the last word', async (t) => {
  const files = [
    {
      file: 'a',
      text: '# vm.max_map_count = 1\nvm.max_map_count=65530\n-fs/inotify/max_user_watches = 10\n; kernel.pid_max=1\n',
    },
    {
      file: 'b',
      text: '  vm.max_map_count = 262144  \nnet.ipv4.conf.eth0/1.rp_filter = 0\nfs.inotify.max_user_watches\t=\t20\n',
    },
  ];
  t.same(settingsAtBoot(files, ['vm.max_map_count', 'fs.inotify.max_user_watches', 'kernel.pid_max']), {
    'vm.max_map_count': { value: '262144', file: 'b' },
    'fs.inotify.max_user_watches': { value: '20', file: 'b' },
  });
  t.same(settingsAtBoot(files.slice(0, 1), ['fs.inotify.max_user_watches']), {
    'fs.inotify.max_user_watches': { value: '10', file: 'a' },
  });
});

t.test('limits of logs', async (t) => {
  t.same(
    journaldSettings([
      '[Journal]\n#SystemMaxUse=1G\nStorage=auto\n',
      '[Journal]\nSystemMaxUse = 500M\n',
      '[Journal]\nSystemMaxUse=\n',
    ]),
    { Storage: 'auto', SystemMaxUse: '' },
  );
  t.same(['500M', '4G', '1048576', '', 'all', '2K'].map(bytes), [
    500 * 2 ** 20,
    4 * 2 ** 30,
    1_048_576,
    null,
    null,
    2048,
  ]);
  t.equal((await gatherLogs([{ pid: 9, name: 'rsyslogd', argv: [] }])).syslog, 'rsyslogd');
});

t.test('small facts', async (t) => {
  t.equal(staticHostname('# made by hand\n\n node-b \n'), 'node-b');
  t.equal(staticHostname(''), null);
  t.equal(staticHostname(undefined), null);
  t.same(nameSources('passwd: files\nhosts:\tfiles mdns4_minimal [NOTFOUND=return] dns # as ever\n'), [
    'files',
    'mdns4_minimal',
    'dns',
  ]);
  t.same(nameSources(''), []);
  const apt = (text: string) => ({ file: '50', text });
  t.equal(
    automaticReboot([
      apt('//Unattended-Upgrade::Automatic-Reboot "true";\nUnattended-Upgrade::Automatic-Reboot-Time "02:00";\n'),
    ]),
    null,
    'as Debian ships it',
  );
  t.equal(automaticReboot([apt('Unattended-Upgrade::Automatic-Reboot "true";\n')]), '50');
  t.equal(
    automaticReboot([
      apt('Unattended-Upgrade::Automatic-Reboot "true";\n'),
      { file: '99', text: 'Unattended-Upgrade::Automatic-Reboot "false";\n' },
    ]),
    null,
  );
  t.equal(automaticReboot([{ file: 'dnf', text: '[commands]\nreboot = when-needed\n' }]), 'dnf');
  t.equal(automaticReboot([{ file: 'dnf', text: '[commands]\nreboot = never\n' }]), null);
  t.equal(balloonBytes('nr_balloon_pages 256\nballoon_inflate 999\n'), 2 ** 20);
  t.equal(balloonBytes('balloon_inflate 300\nballoon_deflate 44\n'), 2 ** 20);
  t.equal(balloonBytes('balloon_inflate 3\nballoon_deflate 44\n'), 0);
  t.equal(balloonBytes('nr_free_pages 1\n'), null);
  const snmp = `Ip: Forwarding InReceives
Ip: 1 10
Tcp: InErrs OutRsts InCsumErrors
Tcp: 3 0 2
Udp: InDatagrams InCsumErrors
Udp: 5 1
`;
  t.equal(
    countChecksumErrors(
      snmp,
      'IpExt: InCsumErrors InNoECTPkts\nIpExt: 4 9\n',
      'Udp6InErrors   \t7\nUdp6InCsumErrors    \t8\n',
    ),
    15,
  );
  t.equal(countChecksumErrors('', '', ''), null);
});
