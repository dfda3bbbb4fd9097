import { userCreateSchema, userSchema } from '../../api/users.ts';
import { API_PATHS } from '../api-paths.ts';
import { hashPassword } from '../auth/password.ts';
import { change, isRepetition, setVersion } from '../http/change.ts';
import { turnOf } from '../http/login.ts';
import { HttpProblem, notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { userByName } from '../state/read.ts';
import { showUser } from '../state/views.ts';

export const route = define({
  method: 'POST',
  path: API_PATHS.users,
  summary: 'Creates a user, who has to change the password at the first login.',
  scope: 'admin',
  body: userCreateSchema,
  reply: userSchema,
  status: 201,
  audit: ['user.create'],
  async handle(request) {
    const { ctx, cloud, caller, body } = request;
    const { name, role, password, mustChangePassword } = body;
    // The hash is dear: what is there already is refused before it. A repetition of the same command finds its result
    // by its id.
    if (!isRepetition(ctx) && userByName(cloud.state.replica().db, name) !== undefined) {
      throw new HttpProblem(409, 'exists', `There is a user ${name} already.`);
    }
    await change(request, {
      kind: 'user.create',
      args: { name, role, passwordHash: await hashPassword(password, turnOf(ctx, caller)), mustChangePassword },
    });
    const user = userByName(cloud.state.replica().db, name);
    if (user === undefined) {
      throw notFound(`The user ${name} has been deleted meanwhile.`);
    }
    setVersion(ctx, user);
    return showUser(user);
  },
});
