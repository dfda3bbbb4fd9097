import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Middleware } from 'koa';
import { openAssets } from '../../assets.ts';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
};

interface StaticFile {
  body: Buffer;
  type: string;
  etag: string;
}

function staticFile(path: string, body: Buffer): StaticFile {
  return {
    body,
    type: TYPES[extname(path)] ?? 'application/octet-stream',
    etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
  };
}

/**
 * The console as it was built: path (`/`, `/assets/x.js`) to content. From the executable's assets, or from
 * `build/console` in development.
 */
export function loadConsole(folder: string | undefined): Map<string, StaticFile> {
  const files = new Map<string, StaticFile>();
  const put = (path: string, body: Buffer): void => {
    files.set(path === 'index.html' ? '/' : `/${path}`, staticFile(path, body));
  };
  if (folder !== undefined) {
    if (existsSync(folder)) {
      for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (extname(path) !== '') {
          put(path, readFileSync(join(folder, path)));
        }
      }
    }
    return files;
  }
  const assets = openAssets();
  for (const { path } of assets.entries()) {
    if (path.startsWith('console/')) {
      put(path.slice('console/'.length), assets.read(path));
    }
  }
  return files;
}

/** Serves them; names with a hash in them for ever, the page itself always asked for anew. */
export function consoleFiles(files: Map<string, StaticFile>): Middleware {
  return async (ctx, next) => {
    const file = ctx.method === 'GET' || ctx.method === 'HEAD' ? files.get(ctx.path) : undefined;
    if (file === undefined) {
      return next();
    }
    ctx.set('Cache-Control', ctx.path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache');
    ctx.set('ETag', file.etag);
    ctx.status = 200;
    if (ctx.fresh) {
      ctx.status = 304;
      return;
    }
    ctx.type = file.type;
    ctx.body = file.body;
  };
}
