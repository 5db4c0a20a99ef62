/** What forms are made of. */
import type { Html } from './html.ts'

/** A hidden one. */
export type Field = readonly [name: string, value: string]

export function HiddenFields({ fields }: { fields: readonly Field[] }): Html {
  return (
    <>
      {fields.map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
    </>
  )
}

export function NameField({
  value,
  dataKey,
}: {
  value: string
  dataKey: string | undefined
}): Html {
  return (
    <label>
      Name contains
      <input name="name" value={value} maxlength={255} data-key={dataKey} />
    </label>
  )
}

export type Option = readonly [value: string, label: string]

export function Choice({
  label,
  name,
  options,
  chosen,
}: {
  label: string
  name: string
  options: readonly Option[]
  chosen?: string | undefined
}): Html {
  return (
    <label>
      {label}
      <select name={name}>
        <Options options={options} chosen={chosen} />
      </select>
    </label>
  )
}

/** Of a choice that is more than its label. */
export function Options({
  options,
  chosen,
}: {
  options: readonly Option[]
  chosen: string | undefined
}): Html {
  return (
    <>
      {options.map(([value, label]) => (
        <option value={value} selected={value === chosen}>
          {label}
        </option>
      ))}
    </>
  )
}

/** One of some values, or any. */
export function anyOf(values: readonly string[]): Option[] {
  return [['', 'any'], ...values.map((value): Option => [value, value])]
}
