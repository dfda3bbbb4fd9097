import type { Middleware } from 'koa';

const csp = (connect: string): string =>
  `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src ` +
  `'self' ${connect}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'`;

/** Security headers of every answer. @param connect where the console's pages may fetch from besides the cloud */
export function securityHeaders(connect: string): Middleware {
  const headers = {
    'Content-Security-Policy': csp(connect),
    'Strict-Transport-Security': 'max-age=31536000',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
    'Cache-Control': 'no-store',
  };
  return (ctx, next) => {
    ctx.set(headers);
    return next();
  };
}
