import { Readable } from 'node:stream';
import { execa } from 'execa';
import { Failure } from '../../src/errors.ts';
import { MarkedStream, envelope, notStarted } from './envelope.ts';
import type { Host, RunOptions, RunResult } from './host.ts';
import { upload } from './upload.ts';

/** This very machine; not being root it uses `sudo -n`, as over ssh. */
export function openLocal(name: string, address: string): Host {
  const host: Host = {
    name,
    address,
    run: (argv, options) => run(name, argv, options),
    upload: (localPath, remotePath, options) => upload(host, localPath, remotePath, options),
    close: () => Promise.resolve(),
  };
  return host;
}

async function run(name: string, argv: string[], options: RunOptions = {}): Promise<RunResult> {
  const root = process.getuid?.() === 0;
  const sudo = (options.sudo ?? true) && !root;
  const wrapped = envelope(argv, sudo);
  const [program = '', ...args] = wrapped.argv;
  options.signal?.throwIfAborted();
  const stdout = new MarkedStream(wrapped.marker, options.onStdout);
  const stderr = new MarkedStream(wrapped.marker, options.onStderr);
  const child = execa(program, args, {
    reject: false,
    buffer: false,
    encoding: 'buffer',
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
  });
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A program may end without reading all its input.
  child.stdin.on('error', () => undefined);
  if (options.input instanceof Readable) {
    options.input.pipe(child.stdin);
  } else {
    child.stdin.end(options.input ?? '');
  }
  const result = await child;
  options.signal?.throwIfAborted();
  if (result.timedOut) {
    throw new Failure('timeout', `${name}: ${argv[0]} did not end within ${Number(options.timeoutMs) / 1000} s.`, {
      host: name,
      remedy: 'Run the same command again.',
    });
  }
  if (!stdout.started) {
    throw notStarted(name, process.env['USER'] ?? 'you', sudo, stdout, stderr);
  }
  return { exitCode: result.exitCode ?? 128, stdout: stdout.text(), stderr: stderr.text() };
}
