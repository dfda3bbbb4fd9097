import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ProcessEvents } from '../../src/satellite/collector/process-events.ts';
import { Sampler, cpuRow, parseCpu } from '../../src/satellite/collector/samples.ts';
import { sourcesFrom } from '../../src/satellite/table.ts';

const MEMINFO = `MemTotal:        4000000 kB
MemFree:          100000 kB
MemAvailable:    2000000 kB
Buffers:           10000 kB
Cached:          1500000 kB
SwapTotal:        500000 kB
SwapFree:         400000 kB
`;

t.test('shares of processor time', async (t) => {
  const before = parseCpu('cpu  1000 100 500 8000 200 20 30 50 0 0\ncpu0 1 2 3 4\n');
  const after = parseCpu('cpu  1040 110 520 8110 210 20 40 50 0 0\ncpu0 1 2 3 4\n');
  t.strictSame(before, { user: 1100, system: 550, idle: 8000, iowait: 200, steal: 50 });
  t.strictSame(before && after && cpuRow(before, after), {
    busy_percent: 40,
    user_percent: 25,
    system_percent: 15,
    iowait_percent: 5,
    steal_percent: 0,
  });
  t.equal(before && cpuRow(before, before), undefined, 'nothing passed');
  t.match(
    after && before && cpuRow(after, { ...after, idle: after.idle + 100, iowait: before.iowait }),
    { busy_percent: 0, iowait_percent: 0 },
    'iowait may go backwards',
  );
});

t.test('rates are of a clock that never jumps; the first sample has none', async (t) => {
  const root = t.testdir({
    proc: {
      stat: 'cpu  100 0 0 900 0 0 0 0\nbtime 1700000000\n',
      loadavg: '0.50 0.40 0.30 1/100 1\n',
      meminfo: MEMINFO,
      self: { mountinfo: '' },
    },
    sys: {
      class: {
        net: {
          eth0: {
            mtu: '1500\n',
            operstate: 'up\n',
            address: '02:00:00:00:00:01\n',
            statistics: { rx_bytes: '1000\n', tx_bytes: '500\n', rx_errors: '0\n', tx_errors: '1\n' },
          },
        },
      },
    },
  });
  const sampler = new Sampler(
    sourcesFrom({ TERRARIUM_PROC: join(root, 'proc'), TERRARIUM_SYS: join(root, 'sys') }, []),
  );
  const first = sampler.sample(1_000_000, 50);
  t.strictSame(first.cpu_history, []);
  t.strictSame(first.interface_history, []);
  t.strictSame(first.memory_history, [
    {
      total_bytes: 4_096_000_000,
      available_bytes: 2_048_000_000,
      free_bytes: 102_400_000,
      cached_bytes: 1_536_000_000,
      swap_used_bytes: 102_400_000,
      unix_ms: 1_000_000,
    },
  ]);
  writeFileSync(join(root, 'proc/stat'), 'cpu  200 0 0 1800 0 0 0 0\n');
  writeFileSync(join(root, 'sys/class/net/eth0/statistics/rx_bytes'), '21000\n');
  writeFileSync(join(root, 'sys/class/net/eth0/statistics/tx_bytes'), '100\n');
  const second = sampler.sample(500, 10_050);
  t.match(second.cpu_history, [{ busy_percent: 10, load_1m: 0.5, unix_ms: 500 }]);
  t.strictSame(
    second.interface_history,
    [{ name: 'eth0', rx_bytes_per_s: 2000, tx_bytes_per_s: 0, rx_errors: 0, tx_errors: 0, unix_ms: 500 }],
    'an interface made anew gives no negative rate',
  );
});

t.test('starts and ends of processes', async (t) => {
  const proc = t.testdir({ stat: 'btime 1700000000\n' });
  const put = (pid: number, name: string, ppid = 1): void => {
    mkdirSync(join(proc, String(pid)), { recursive: true });
    writeFileSync(
      join(proc, String(pid), 'stat'),
      `${pid} (${name}) S ${ppid} 1 1 0 -1 4194560 0 0 0 0 10 5 0 0 20 0 1 0 500 0 0`,
    );
    writeFileSync(join(proc, String(pid), 'status'), 'Uid:\t1000\t1000\t1000\t1000\nVmRSS:\t 100 kB\n');
    writeFileSync(join(proc, String(pid), 'cmdline'), `/bin/${name}\0-x\0`);
  };
  put(1, 'init', 0);
  put(2, 'kthreadd', 0);
  const events = new ProcessEvents(proc);
  t.strictSame(events.look(1), [], 'what was there before is no start');
  put(40, 'db');
  put(41, 'kworker/0:1', 2);
  t.strictSame(
    events.look(1_700_000_060_000),
    [{ pid: 40, ppid: 1, name: 'db', cmdline: '/bin/db -x', uid: 1000, type: 'start', unix_ms: 1_700_000_005_000 }],
    'kernel threads are left out',
  );
  t.strictSame(events.look(1_700_000_070_000), []);
  rmSync(join(proc, '40'), { recursive: true });
  rmSync(join(proc, '41'), { recursive: true });
  t.strictSame(events.look(1_700_000_080_000), [
    { pid: 40, ppid: 1, name: 'db', cmdline: '/bin/db -x', uid: 1000, type: 'end', unix_ms: 1_700_000_080_000 },
  ]);
});
