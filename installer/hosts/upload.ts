import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { Failure } from '../../src/errors.ts';
import type { Host, UploadOptions } from './host.ts';

/** Small reads would cost one round through the event loop for each cipher block. */
const CHUNK = 1 << 20;

/** sha256 (hex) of a file or of the range [start, end) of it. */
export async function sha256File(path: string, start = 0, end?: number): Promise<string> {
  const hash = createHash('sha256');
  if (end === undefined || end > start) {
    for await (const chunk of createReadStream(path, {
      start,
      ...(end === undefined ? {} : { end: end - 1 }),
      highWaterMark: CHUNK,
    })) {
      hash.update(chunk as Buffer);
    }
  }
  return hash.digest('hex');
}

// tee hides a full disk from the pipe, therefore the size is asked for as well.
const RECEIVE = 'umask 077; t=$1; tee -- "$t" | sha256sum && stat -c %s -- "$t" && chmod "$2" -- "$t"';

/** Host.upload for every kind of host: by `cat`, because sftp may be switched off and cannot become root. */
export async function upload(
  host: Pick<Host, 'run' | 'name'>,
  localPath: string,
  remotePath: string,
  options: UploadOptions = {},
): Promise<void> {
  const start = options.start ?? 0;
  const end = options.end ?? (await stat(localPath)).size;
  const total = end - start;
  const hash = options.sha256 === undefined ? createHash('sha256') : undefined;
  let sent = 0;
  const meter = new Transform({
    highWaterMark: CHUNK,
    transform(chunk: Buffer, _encoding, done) {
      hash?.update(chunk);
      sent += chunk.length;
      options.onProgress?.(sent, total);
      done(null, chunk);
    },
  });
  if (total > 0) {
    const source = createReadStream(localPath, { start, end: end - 1, highWaterMark: CHUNK });
    source.on('error', (error) => meter.destroy(error));
    source.pipe(meter);
  } else {
    meter.end();
  }
  const temporary = `${remotePath}.${randomBytes(6).toString('hex')}.tmp`;
  const mode = (options.mode ?? 0o644).toString(8);
  try {
    const got = await host.run(['sh', '-c', RECEIVE, 'sh', temporary, mode], { input: meter, signal: options.signal });
    const [digest = '', size = ''] = got.stdout.split('\n');
    if (got.exitCode !== 0 || Number(size) !== total) {
      const why = got.stderr.trim().split('\n').at(-1) ?? '';
      throw new Failure(
        'upload-failed',
        `Copying ${remotePath} to ${host.name} failed: ${why === '' ? `${size} of ${total} bytes arrived` : why}.`,
        {
          host: host.name,
          remedy: 'Free some space or name another folder, then run the same command again.',
        },
      );
    }
    const expected = options.sha256 ?? hash?.digest('hex') ?? '';
    if (digest.split(' ')[0] !== expected) {
      throw new Failure(
        'upload-failed',
        `Copying ${remotePath} to ${host.name} failed: the bytes that arrived differ from those sent.`,
        {
          host: host.name,
          remedy: 'Run the same command again; if it happens twice, look for bad memory or a bad disk in that machine.',
        },
      );
    }
    const moved = await host.run(['mv', '-f', '--', temporary, remotePath]);
    if (moved.exitCode !== 0) {
      throw new Failure('upload-failed', `Copying ${remotePath} to ${host.name} failed: ${moved.stderr.trim()}.`, {
        host: host.name,
      });
    }
  } catch (error) {
    await host.run(['rm', '-f', '--', temporary]).catch(() => undefined);
    throw error;
  }
}
