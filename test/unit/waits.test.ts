import t from 'tap';
import { lastError } from '../../installer/node/systemd.ts';
import { waitUntil } from '../../installer/node/wait.ts';
import type { PhaseContext } from '../../installer/plan/types.ts';
import { testSpec } from '../fixtures/spec.ts';

function context(): { context: PhaseContext; said: string[] } {
  const spec = testSpec(1);
  const said: string[] = [];
  const node = spec.nodes[0];
  if (node === undefined) {
    throw new Error('no node');
  }
  return {
    said,
    context: {
      spec,
      node,
      signal: new AbortController().signal,
      waiting: (_for: string, cause: string) => void said.push(cause),
      log: () => undefined,
    } as unknown as PhaseContext,
  };
}

t.test('causes that come in turns are no progress', async (t) => {
  const { context: c } = context();
  let n = 0;
  await t.rejects(
    waitUntil(c, { for: 'it', stalledMs: 100, everyMs: 5, remedy: 'r' }, async () =>
      n++ % 2 === 0 ? 'started' : 'failed',
    ),
    { code: 'wait-stalled', message: /gave up waiting for it: (started|failed)/ },
  );
});

t.test('new causes are', async (t) => {
  const { context: c, said } = context();
  let n = 0;
  await waitUntil(c, { for: 'it', stalledMs: 60, everyMs: 5, remedy: 'r' }, async () => {
    n += 1;
    return n > 60 ? undefined : `${n} of 60`;
  });
  t.equal(said.length, 60);
});

t.test("a unit's last error, in words that stay the same", async (t) => {
  const line = (time: string, pid: number): string =>
    `E1121 ${time}   ${pid} run.go:72] "command failed" err="missing content for serving cert"`;
  const once = lastError([line('16:33:32.497448', 7471), "kubelet.service: Failed with result 'exit-code'.", '']);
  t.equal(once, '"command failed" err="missing content for serving cert"');
  t.equal(lastError(['Started.', line('16:33:34.100000', 7492), 'kubelet.service: Failed.']), once);
  t.equal(lastError(['Started.', 'listening']), 'listening');
  t.equal(
    lastError([`E1121 16:33:34.100000 7 x.go:1] "no sandbox" id="${'b3f2a593'.repeat(8)}"`]),
    '"no sandbox" id="…"',
  );
  const unstarted = [
    'Started x.service - X.',
    'x.service: Failed to determine user credentials: No such process',
    'x.service: Failed at step USER spawning /x: No such process',
    "x.service: Failed with result 'exit-code'.",
  ];
  t.equal(
    lastError(['connected', ...unstarted, 'x.service: Scheduled restart job, restart counter is at 2.']),
    unstarted[1],
  );
  t.equal(
    lastError([...unstarted, 'Started x.service - X.', 'x.service: Main process exited, code=killed, status=9/KILL']),
    'x.service: Main process exited, code=killed, status=9/KILL',
  );
  t.equal(lastError(['']), undefined);
});
