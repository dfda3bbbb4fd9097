import { X509Certificate } from 'node:crypto';
import { SKEW_MS } from './crypto.ts';

/**
 * When a certificate of ours was signed and when it ends, milliseconds since 1970: what it reaches back before is for
 * clocks that are behind. @throws for what is no certificate
 */
export function validityOf(pem: string): { issued: number; ends: number } {
  const { validFromDate, validToDate } = new X509Certificate(pem);
  return { issued: Math.min(validFromDate.getTime() + SKEW_MS, validToDate.getTime()), ends: validToDate.getTime() };
}

/**
 * Part of its life after which a certificate is renewed, and how far chance moves that, so that those who enrolled
 * together do not all come at once.
 */
const RENEW_AFTER = 2 / 3;
const JITTER = 0.05;

/**
 * When a certificate is to be renewed, milliseconds since 1970. @param chance 0 to 1, chosen once for each certificate
 */
export function renewalDue({ issued, ends }: { issued: number; ends: number }, chance: number): number {
  return issued + (ends - issued) * (RENEW_AFTER + (2 * chance - 1) * JITTER);
}
