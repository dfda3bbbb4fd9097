import { userParams } from '../../api/parameters.ts';
import { userChangeSchema, userSchema } from '../../api/users.ts';
import { API_PATHS } from '../api-paths.ts';
import { hashPassword } from '../auth/password.ts';
import { change, setVersion } from '../http/change.ts';
import { turnOf } from '../http/login.ts';
import { HttpProblem, notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { userByName } from '../state/read.ts';
import { showUser } from '../state/views.ts';

export const route = define({
  method: 'PATCH',
  path: `${API_PATHS.users}/{name}`,
  summary:
    "Changes a user's role, disables or enables it, or gives it a password to be changed at the next login; " +
    'disabling and a new password end its sessions.',
  scope: 'admin',
  params: userParams,
  body: userChangeSchema,
  reply: userSchema,
  audit: ['user.update', 'user.password'],
  async handle(request) {
    const { ctx, cloud, caller, params, body } = request;
    const { role, disabled, password, expect } = body;
    const others = role !== undefined || disabled !== undefined;
    // Two commands, each with its own place in the audit log: one of them would be half a change.
    if (others === (password !== undefined)) {
      throw new HttpProblem(400, 'invalid-body', 'The request is not valid.', {
        errors: [{ path: '', message: 'Give either a password, or role or disabled.' }],
      });
    }
    const resource = `user/${params.name}`;
    if (userByName(cloud.state.replica().db, params.name) === undefined) {
      throw notFound(`There is no user ${params.name}.`);
    }
    await change(
      request,
      password === undefined
        ? {
            kind: 'user.update',
            args: {
              name: params.name,
              ...(role === undefined ? {} : { role }),
              ...(disabled === undefined ? {} : { disabled }),
            },
            on: { resource, expect },
          }
        : {
            kind: 'user.password',
            args: {
              name: params.name,
              passwordHash: await hashPassword(password, turnOf(ctx, caller)),
              mustChangePassword: true,
            },
            on: { resource, expect },
          },
    );
    const user = userByName(cloud.state.replica().db, params.name);
    if (user === undefined) {
      throw notFound(`The user ${params.name} has been deleted meanwhile.`);
    }
    setVersion(ctx, user);
    return showUser(user);
  },
});
