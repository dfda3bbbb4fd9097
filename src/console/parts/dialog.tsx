import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { useAction } from './context.ts';

/** A modal dialog. The browser's own keeps the focus inside, closes by Escape, and gives the focus back. */
export function Dialog({
  title,
  onClose,
  children,
  wide,
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const shown = useRef(true);
  // Before anything can be pressed: it moves the focus.
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => {
      // Its event comes when this dialog is gone, and must not close the next one.
      shown.current = false;
      element?.close();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={wide === true ? 'wide' : undefined}
      aria-labelledby={id}
      onClose={() => shown.current && onClose()}
    >
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

interface FormProps {
  title: string;
  /** What its button says. */
  action: string;
  danger?: boolean;
  onClose: () => void;
  /** Throws what is shown as a sentence; where it does not, the dialog is closed by its owner. */
  onSubmit: (form: FormData) => Promise<void>;
  children: ComponentChildren;
}

/** A dialog with fields and one thing that it does. */
export function FormDialog({ title, action, danger, onClose, onSubmit, children }: FormProps) {
  const { busy, error, run } = useAction();
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    run(() => onSubmit(form));
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit}>
        {children}
        <p class="message" role="alert">
          {error}
        </p>
        <div class="actions end">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class={danger === true ? 'danger' : 'primary'} disabled={busy}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** Something that can be read here only once. */
export function SecretDialog({
  title,
  label,
  secret,
  onClose,
  children,
}: {
  title: string;
  label: string;
  secret: string;
  onClose: () => void;
  children?: ComponentChildren;
}) {
  return (
    <Dialog title={title} onClose={onClose} wide>
      {children}
      <CopyField label={label} text={secret} />
      <div class="actions end">
        <button type="button" class="primary" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  );
}

export function CopyField({ label, text }: { label: string; text: string }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [copied, setCopied] = useState(false);
  const copy = (): void => {
    field.current?.select();
    navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      () => setCopied(false),
    );
  };
  return (
    <div class="secret">
      <label>
        {label}
        <textarea
          ref={field}
          readOnly
          rows={Math.min(6, Math.ceil(text.length / 60))}
          value={text}
          onFocus={(e) => e.currentTarget.select()}
        />
      </label>
      <button type="button" onClick={copy}>
        Copy
      </button>
      <span class="hint" role="status">
        {copied ? 'Copied.' : ''}
      </span>
    </div>
  );
}
