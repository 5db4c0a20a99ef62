/** Forms of a project's settings. Fields have the names that `PATCH` knows them by, so that its rules judge them; what it
 *  refuses is said beside the field, and what was entered stays. */
import type { Child } from 'hono/jsx'
import type { WireProject } from '../../api/admin-messages.ts'
import { type StoreError, storeError } from '../../core/errors.ts'
import { formatExactSize, parseSizeBytes, formatPeriod } from '../../core/units.ts'
import { type Option, Options } from '../parts/form.tsx'
import type { Html } from '../parts/html.ts'

export interface SettingsForm {
  /** Text of each field. */
  values: ReadonlyMap<string, string>
  refused: { name: string; reason: string } | null
}

/** What a field of text says to `PATCH`. */
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
    throw storeError('invalid_request', reason, { field: 'quotaBytes' })
  },
}

/** What is no number is left to `PATCH` to refuse. */
function numberOf(text: string): number | string {
  const value = Number(text)
  return Number.isNaN(value) ? text : value
}

export type SettingName = keyof typeof readers | 'keepLatest'

/** The body of a `PATCH` from the fields that a form has; an empty one follows the server. Errors: invalid_request. */
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

/** Names can have spaces, but no line breaks. */
function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
}

/** As the project has it; patterns of the server stand where it has none, to begin with. */
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

/** As it was sent; undefined where it has no field that the error is about. */
export function enteredForm(
  entered: URLSearchParams,
  error: StoreError & { details: { field: string } },
): SettingsForm | undefined {
  const [name = ''] = error.details.field.split('.')
  if (!entered.has(name)) return undefined
  return { values: new Map(entered), refused: { name, reason: error.message } }
}

/** A label, what is entered, and why it was refused. `children` gets what the element of the field needs. */
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

/** A field of days; none follows the server. */
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

/** A choice between what the server has and values of the project's own. */
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
  /** What the server is set to, in words of the choices. */
  server: string
  choices: readonly Option[]
}): Html {
  return (
    <SettingField form={form} name={name} label={label}>
      {(attributes, chosen) => (
        <select {...attributes}>
          <Options options={[['', `as the server: ${server}`], ...choices]} chosen={chosen} />
        </select>
      )}
    </SettingField>
  )
}

/** Whose word it is. */
export function settingSource(own: unknown, variable: string): string {
  return own === null ? `as the server is set (${variable})` : 'as this project is set'
}

/** For those who read the rules and cannot change them. */
export function NoChange(): Html {
  return <p class="quiet">A token of scope admin changes this.</p>
}
