import { z } from 'zod';
import { role } from '../store/fields.ts';
import { timestampShape } from './shapes.ts';

/**
 * What a caller may do. A user's role has some of them, an API token those that it was given, as far as its owner's
 * role has them too.
 */
export const SCOPES = ['read', 'query', 'operate', 'admin', 'metrics'] as const;
export const scopeSchema = z.enum(SCOPES);
export type Scope = z.infer<typeof scopeSchema>;

export const roleSchema = role;
export type Role = z.infer<typeof roleSchema>;

/** At least 12 characters, as NIST SP 800-63B and ASVS want; no rules about which. */
export const newPassword = z.string().min(12).max(1024);

/** POST /api/v1/login */
export const loginSchema = z.strictObject({ user: z.string().min(1).max(64), password: z.string().min(1).max(1024) });
export type LoginRequest = z.infer<typeof loginSchema>;

/**
 * `required`: nothing else is answered before. `offered`: it was made up and printed, by the install or `user
 * reset-password`.
 */
export const passwordChangeSchema = z.enum(['none', 'offered', 'required']);
export type PasswordChange = z.infer<typeof passwordChangeSchema>;

export const loginReply = z.object({
  token: z.string(),
  expiresAt: timestampShape,
  passwordChange: passwordChangeSchema,
});
export type LoginReply = z.infer<typeof loginReply>;

/** GET /api/v1/session: who the caller is; null where not logged in. */
export const sessionReply = z.object({
  user: z.string().nullable(),
  role: roleSchema.optional(),
  scopes: z.array(scopeSchema).optional(),
  passwordChange: passwordChangeSchema.optional(),
});
export type SessionReply = z.infer<typeof sessionReply>;

export const passwordSchema = z.strictObject({ current: z.string().min(1).max(1024), password: newPassword });
