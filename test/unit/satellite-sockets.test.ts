import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { inetSockets, parseAddress, socketOwners, unixSockets } from '../../src/satellite/sockets.ts';
import { loadTables, sourcesFrom, type Row } from '../../src/satellite/table.ts';

/** As a Debian 12 machine printed them. */
const TCP = [
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'.padEnd(149),
  (
    '   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000   101        0 41830 1 ' +
    '0000000000000000 100 0 0 10 0'
  ).padEnd(149),
  (
    '   1: 0B00000A:0016 0200000A:D431 01 00000024:00000000 01:00000016 00000000     0        0 55210 4 ' +
    '0000000000000000 22 4 31 10 -1'
  ).padEnd(149),
  '   2: 0B00000A:C350 0200000A:01BB 06 00000000:00000000 03:000013F2 00000000     0        0 0 3 ' +
    '0000000000000000',
  '',
].join('\n');
const TCP6 = [
  '  sl  local_address                         remote_address                        st tx_queue ' +
    'rx_queue tr tm->when retrnsmt   uid  timeout inode',
  '   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A ' +
    '00000000:00000000 00:00000000 00000000     0        0 1111 1 0000000000000000 100 0 0 10 0',
  '   1: B80D0120000000000000000001000000:1B58 0000000000000000FFFF00000B00000A:9C40 01 ' +
    '00000000:00000000 00:00000000 00000000  1000        0 2222 1 0000000000000000 20 4 30 10 -1',
  '',
].join('\n');
const UDP = [
  '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ' +
    'ref pointer drops',
  '  201: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   991        0 3333 2 ' +
    '0000000000000000 0',
  '  202: 0B00000A:A000 0800000A:0035 01 00000000:00000000 00:00000000 00000000   991        0 4444 2 ' +
    '0000000000000000 0',
  '',
].join('\n');
const UNIX = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 5555 /run/containerd/containerd.sock
0000000000000000: 00000003 00000000 00000000 0001 03 6666
0000000000000000: 00000002 00000000 00000000 0002 01  7777 @/tmp/name with spaces
`;

t.test("addresses are the kernel's words in the order of the machine", async (t) => {
  t.equal(parseAddress('0100007F'), '127.0.0.1');
  t.equal(parseAddress('00000000000000000000000001000000'), '::1');
  t.equal(parseAddress('B80D0120000000000000000001000000'), '2001:db8::1');
  t.equal(parseAddress('0000000000000000FFFF00000B00000A'), '::ffff:10.0.0.11');
});

t.test('recorded texts', async (t) => {
  const proc = t.testdir({ net: { tcp: TCP, tcp6: TCP6, udp: UDP, unix: UNIX } });
  t.strictSame(
    [...inetSockets(proc, 'tcp')],
    [
      {
        protocol: 'tcp',
        state: 'LISTEN',
        local_address: '127.0.0.1',
        local_port: 8080,
        remote_address: null,
        remote_port: null,
        uid: 101,
        send_queue_bytes: 0,
        receive_queue_bytes: 3,
        inode: 41830,
      },
      {
        protocol: 'tcp',
        state: 'ESTABLISHED',
        local_address: '10.0.0.11',
        local_port: 22,
        remote_address: '10.0.0.2',
        remote_port: 54321,
        uid: 0,
        send_queue_bytes: 36,
        receive_queue_bytes: 0,
        inode: 55210,
      },
      {
        protocol: 'tcp',
        state: 'TIME_WAIT',
        local_address: '10.0.0.11',
        local_port: 50000,
        remote_address: '10.0.0.2',
        remote_port: 443,
        uid: 0,
        send_queue_bytes: 0,
        receive_queue_bytes: 0,
        inode: 0,
      },
    ],
  );
  t.match(
    [...inetSockets(proc, 'tcp6')],
    [
      { state: 'LISTEN', local_address: '::', local_port: 22, inode: 1111 },
      {
        state: 'ESTABLISHED',
        local_address: '2001:db8::1',
        local_port: 7000,
        remote_address: '::ffff:10.0.0.11',
        remote_port: 40000,
        uid: 1000,
      },
    ],
  );
  t.match(
    [...inetSockets(proc, 'udp')],
    [
      { state: 'UNCONNECTED', local_address: '127.0.0.53', local_port: 53, remote_address: null },
      { state: 'ESTABLISHED', remote_address: '10.0.0.8', remote_port: 53 },
    ],
  );
  t.strictSame([...inetSockets(proc, 'udp6')], [], 'a kernel without IPv6 has no such file');
  t.strictSame(
    [...unixSockets(proc)],
    [
      { state: 'LISTEN', path: '/run/containerd/containerd.sock', inode: 5555 },
      { state: 'CONNECTED', path: null, inode: 6666 },
      { state: 'UNCONNECTED', path: '@/tmp/name with spaces', inode: 7777 },
    ],
  );
});

t.test("a socket that several processes hold is the one's with the lowest number", async (t) => {
  const proc = t.testdir({});
  for (const pid of ['900', '88', '1000']) {
    mkdirSync(join(proc, pid, 'fd'), { recursive: true });
    symlinkSync('socket:[41830]', join(proc, pid, 'fd/3'));
    symlinkSync('/dev/null', join(proc, pid, 'fd/0'));
  }
  mkdirSync(join(proc, '7'));
  writeFileSync(join(proc, 'uptime'), '1 1\n');
  t.strictSame([...socketOwners(proc)], [[41830, 88]]);
});

t.test("sockets of this machine: the kernel's own text against what we opened", async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect(port, '127.0.0.1');
  await once(client, 'connect');
  const udp = createSocket('udp4').bind(0, '127.0.0.1');
  await once(udp, 'listening');
  const other = spawn(process.execPath, [
    '-e',
    "require('net').createServer().listen(0, '127.0.0.1', function () { console.log(this.address().port) })",
  ]);
  const otherPort = Number(String((await once(other.stdout, 'data'))[0]));
  t.teardown(() => {
    client.destroy();
    server.close();
    udp.close();
    other.kill();
  });
  const table = (await loadTables()).find((x) => x.name === 'sockets');
  const rows: Row[] = table?.kind === 'live' ? [...table.rows(sourcesFrom({}, []))] : [];
  t.match(
    rows.find((r) => r['local_port'] === port && r['state'] === 'LISTEN'),
    { protocol: 'tcp', local_address: '127.0.0.1', pid: process.pid, uid: process.getuid?.(), remote_port: null },
  );
  t.match(
    rows.find((r) => r['remote_port'] === port),
    { state: 'ESTABLISHED', remote_address: '127.0.0.1', local_port: client.localPort, pid: process.pid },
  );
  t.match(
    rows.find((r) => r['protocol'] === 'udp' && r['local_port'] === udp.address().port),
    { state: 'UNCONNECTED', pid: process.pid },
  );
  t.match(
    rows.find((r) => r['local_port'] === otherPort),
    { state: 'LISTEN', pid: other.pid },
  );
});
