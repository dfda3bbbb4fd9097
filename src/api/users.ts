import { z } from 'zod';
import { title, userName } from '../store/fields.ts';
import { SCOPES, scopeSchema, roleSchema, newPassword } from './access.ts';
import { timestampShape, versionShape } from './shapes.ts';

export const userSchema = z.object({
  name: z.string(),
  role: roleSchema,
  disabled: z.boolean(),
  mustChangePassword: z.boolean(),
  createdAt: timestampShape,
  passwordAt: timestampShape,
  version: versionShape,
});
export type User = z.infer<typeof userSchema>;
export const userCreateSchema = z.strictObject({
  name: userName,
  role: roleSchema,
  password: newPassword,
  mustChangePassword: z.boolean().default(true),
});
export const userChangeSchema = z.strictObject({
  role: roleSchema.optional(),
  disabled: z.boolean().optional(),
  password: newPassword.optional(),
  expect: versionShape.optional(),
});

export const tokenSchema = z.object({
  id: z.string(),
  owner: z.string(),
  name: z.string(),
  scopes: z.array(scopeSchema),
  createdAt: timestampShape,
  expiresAt: timestampShape,
  version: versionShape,
});
export type Token = z.infer<typeof tokenSchema>;
export const MAX_TOKEN_DAYS = 365;
export const tokenCreateSchema = z.strictObject({
  name: title,
  scopes: z.array(scopeSchema).min(1).max(SCOPES.length),
  days: z.int().min(1).max(MAX_TOKEN_DAYS).default(90),
});
export const tokenReply = tokenSchema.extend({ token: z.string() });

export const sessionSchema = z.object({
  id: z.string(),
  user: z.string(),
  address: z.string(),
  createdAt: timestampShape,
  expiresAt: timestampShape,
  current: z.boolean(),
});
export type SessionInfo = z.infer<typeof sessionSchema>;
