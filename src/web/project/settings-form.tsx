/** Forms of a project's settings. Fields have the names that `PATCH` uses, so its rules validate
 *  them. An error is shown beside its field, and the form keeps what was entered. */
import type { Child } from 'hono/jsx'
import type { WireProject } from '../../api/admin-messages.ts'
import { invalidRequest, type StoreError } from '../../core/errors.ts'
import { formatExactSize, parseSizeBytes, formatPeriod } from '../../core/units.ts'
import type { Project } from '../../metadata/metadata.ts'
import { type Option, Options } from '../parts/form.tsx'
import type { Html } from '../parts/html.ts'

export interface SettingsForm {
  /** Text of each field. */
  values: ReadonlyMap<string, string>
  /** The field that was rejected, and why. */
  refused: { name: string; reason: string } | null
}

/** What the pages of settings have in common. */
export interface ShownSettings {
  project: Project
  form: SettingsForm
  isPublic: boolean
  mayWrite: boolean
  mayChange: boolean
}

/** Convert the text of a field to its value in a `PATCH` body. */
const readers = {
  retentionDays: numberOf,
  retentionMinDays: numberOf,
  retentionMaxDays: numberOf,
  onConflict: (text: string) => text,
  strict: (text: string) => text === 'on',
  quotaBytes: (text: string) => {
    const bytes = parseSizeBytes(text)
    if (bytes !== undefined) return bytes
    const reason = `quotaBytes must be a size such as 500MB or 64GiB, got ${JSON.stringify(text)}`
    throw invalidRequest('quotaBytes', reason)
  },
}

/** Leaves text that is not a number for `PATCH` to reject. */
function numberOf(text: string): number | string {
  const value = Number(text)
  return Number.isNaN(value) ? text : value
}

export type SettingName = keyof typeof readers | 'keepLatest'

/** Makes the body of a `PATCH` from the fields of a form; an empty field resets to the server's
 *  setting. Errors: invalid_request. */
export function policyOf(form: URLSearchParams): Record<string, unknown> {
  const policy: Record<string, unknown> = {}
  for (const [name, read] of Object.entries(readers)) {
    const text = form.get(name)?.trim()
    if (text !== undefined) policy[name] = text === '' ? null : read(text)
  }
  const latestFrom = form.get('latestFrom')
  if (latestFrom !== null)
    policy['keepLatest'] = latestFrom === 'project' ? linesOf(form.get('keepLatest') ?? '') : null
  return policy
}

/** Names may contain spaces, but no line breaks. */
function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
}

/** A form filled with the project's settings. Without patterns of its own, it starts with those
 *  of the server. */
export function ownForm(project: WireProject, serverKeepsLatest: readonly string[]): SettingsForm {
  const { strict, quotaBytes, keepLatest } = project
  const values = new Map(
    (['retentionDays', 'retentionMinDays', 'retentionMaxDays', 'onConflict'] as const).map(
      (name) => [name as string, String(project[name] ?? '')],
    ),
  )
  values.set('strict', strict === null ? '' : strict ? 'on' : 'off')
  values.set('quotaBytes', quotaBytes === null ? '' : formatExactSize(quotaBytes))
  values.set('latestFrom', keepLatest === null ? 'server' : 'project')
  values.set('keepLatest', (keepLatest ?? serverKeepsLatest).join('\n'))
  return { values, refused: null }
}

/** The form as it was sent, with the error at its field; undefined if the form lacks that field. */
export function enteredForm(
  entered: URLSearchParams,
  error: StoreError & { details: { field: string } },
): SettingsForm | undefined {
  const [name = ''] = error.details.field.split('.')
  if (!entered.has(name)) return undefined
  return { values: new Map(entered), refused: { name, reason: error.message } }
}

/** A label with its field, and the reason if its value was rejected. `children` gets the
 *  attributes of the element. */
export function SettingField({
  form,
  name,
  label,
  style,
  children,
}: {
  form: SettingsForm
  name: SettingName
  label: string
  style?: string
  children: (attributes: Record<string, string | boolean>, value: string) => Child
}): Html {
  const reason = form.refused?.name === name ? form.refused.reason : undefined
  const attributes = {
    name,
    ...(reason !== undefined && {
      'aria-invalid': 'true',
      'aria-describedby': `${name}-refused`,
      autofocus: true,
    }),
  }
  return (
    <div class={style === undefined ? 'setting' : `setting ${style}`}>
      <label>
        <span>
          {label} <code>{name}</code>
        </span>
        {children(attributes, form.values.get(name) ?? '')}
      </label>
      {reason !== undefined && (
        <p class="refused" id={`${name}-refused`}>
          {reason}
        </p>
      )}
    </div>
  )
}

/** A field for a number of days; empty means the server's setting. */
export function DaysField({
  form,
  name,
  label,
  serverMs,
}: {
  form: SettingsForm
  name: SettingName
  label: string
  serverMs: number
}): Html {
  return (
    <SettingField form={form} name={name} label={label}>
      {(attributes, value) => (
        <input
          {...attributes}
          type="number"
          min="0"
          max="36500"
          step="any"
          placeholder={`server: ${formatPeriod(serverMs)}`}
          value={value}
        />
      )}
    </SettingField>
  )
}

/** A choice between the server's setting and values of the project's own. */
export function ChoiceField({
  form,
  name,
  label,
  server,
  choices,
}: {
  form: SettingsForm
  name: SettingName
  label: string
  /** The server's setting, as the label of a choice. */
  server: string
  choices: readonly Option[]
}): Html {
  return (
    <SettingField form={form} name={name} label={label}>
      {(attributes, chosen) => (
        <select {...attributes}>
          <Options options={[['', `server setting: ${server}`], ...choices]} chosen={chosen} />
        </select>
      )}
    </SettingField>
  )
}

/** Says where a setting comes from. */
export function settingSource(own: unknown, variable: string): string {
  return own === null ? `set on the server: ${variable}` : 'set for this project'
}

/** Shown in place of the form to visitors who cannot change the settings. */
export function NoChange(): Html {
  return <p class="quiet">To change these settings, sign in with a token of scope admin.</p>
}
