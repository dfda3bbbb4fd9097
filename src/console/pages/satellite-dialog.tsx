import type { SatelliteInfo } from '../../api/satellites.ts';
import { parseTags, tagText } from '../logic/enrolment.ts';
import { useConsole } from '../parts/context.ts';
import { FormDialog } from '../parts/dialog.tsx';
import { changeSatellite, forgetSatellite, revokeSatellite } from '../resources.ts';

/** What is being done to a satellite. */
export type SatelliteAction = 'change' | 'access' | 'revoke' | 'forget';

type Access = SatelliteInfo['access'];
/** How a satellite is asked, in words. */
export const ACCESS_MEANING: Record<Access, string> = {
  both: 'directly where the browser reaches it, else through the cloud',
  cloud: 'through the cloud only',
  direct: 'directly only: its rows never pass the cloud',
};

interface Props {
  satellite: SatelliteInfo;
  onClose: () => void;
  /** Told in a sentence. */
  onDone: (text: string) => void;
}

const FORMS = { change: ChangeForm, access: AccessForm, revoke: RevokeForm, forget: ForgetForm };

/** The form of an action. */
export function SatelliteDialog({
  doing,
  satellite,
  onClose,
}: {
  doing: SatelliteAction;
  satellite: SatelliteInfo;
  onClose: () => void;
}) {
  const { say } = useConsole();
  const Form = FORMS[doing];
  return (
    <Form
      satellite={satellite}
      onClose={onClose}
      onDone={(text) => {
        onClose();
        say(text);
      }}
    />
  );
}

function ChangeForm({ satellite, onClose, onDone }: Props) {
  const { id } = satellite;
  return (
    <FormDialog
      title={`Name and tags of ${id}`}
      action="Change"
      onClose={onClose}
      onSubmit={async (form) => {
        await changeSatellite(satellite, {
          name: String(form.get('name')),
          tags: parseTags(String(form.get('tags'))),
        });
        onDone(`${id} has been changed.`);
      }}
    >
      <label>
        Name <input name="name" required maxLength={200} defaultValue={satellite.name} autocomplete="off" />
      </label>
      <label>
        Tags{' '}
        <input
          name="tags"
          defaultValue={tagText(satellite.tags).join(' ')}
          placeholder="place=cellar role=camera"
          autocomplete="off"
          maxLength={2000}
        />
      </label>
      <p class="hint">Its id, {id}, stays.</p>
    </FormDialog>
  );
}

function AccessForm({ satellite, onClose, onDone }: Props) {
  const { id } = satellite;
  return (
    <FormDialog
      title={`How ${id} is asked`}
      action="Change"
      onClose={onClose}
      onSubmit={async (form) => {
        await changeSatellite(satellite, { access: String(form.get('access')) as Access });
        onDone(`${id} has been changed.`);
      }}
    >
      <fieldset class="options">
        <legend>Queries go</legend>
        {(['both', 'cloud', 'direct'] as const).map((a) => (
          <label key={a}>
            <input type="radio" name="access" value={a} defaultChecked={a === satellite.access} required />{' '}
            <span>
              {a}
              <small>{ACCESS_MEANING[a]}</small>
            </span>
          </label>
        ))}
      </fieldset>
    </FormDialog>
  );
}

function RevokeForm({ satellite, onClose, onDone }: Props) {
  const { id } = satellite;
  return (
    <FormDialog
      title={`Revoke ${id}?`}
      action="Revoke"
      danger
      onClose={onClose}
      onSubmit={async (form) => {
        await revokeSatellite(id, String(form.get('reason')).trim());
        onDone(`${id} has been revoked.`);
      }}
    >
      <p>Its connections are cut on every control plane, its key is void for good, and it answers no more queries.</p>
      <p>
        A machine outside the cluster comes back by enrolling with a new key. A node of the cluster comes back when its
        revocation is forgotten on this page.
      </p>
      <label>
        Why, for those who look later <input name="reason" maxLength={300} autocomplete="off" />
      </label>
    </FormDialog>
  );
}

function ForgetForm({ satellite, onClose, onDone }: Props) {
  const { id } = satellite;
  return (
    <FormDialog
      title={`Forget that ${id} was revoked?`}
      action="Forget it"
      onClose={onClose}
      onSubmit={async () => {
        await forgetSatellite(id);
        onDone(`The revocation of ${id} is forgotten.`);
      }}
    >
      <p>A node of the cluster may connect again at once. A machine outside it has to enrol again.</p>
    </FormDialog>
  );
}
