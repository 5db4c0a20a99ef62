/** Building blocks of forms. */
import type { Html } from './html.ts'

/** A hidden field. */
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

export function NumberField({
  label,
  name,
  value,
  title,
}: {
  label: string
  name: string
  value: string
  title: string
}): Html {
  return (
    <label>
      {label}
      <input
        name={name}
        value={value}
        inputmode="numeric"
        pattern="[1-9][0-9]{0,14}"
        title={title}
        size={8}
      />
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
  /** One that is not among the options, such as a branch of long ago, is added to them: the form
   *  would lose it. */
  chosen?: string | undefined
}): Html {
  const isAmong = chosen === undefined || options.some(([value]) => value === chosen)
  return (
    <label>
      {label}
      <select name={name}>
        <Options options={isAmong ? options : [...options, [chosen, chosen]]} chosen={chosen} />
      </select>
    </label>
  )
}

/** The options of a `select`. */
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

/** Options for each of the values, and one for any of them. */
export function anyOf(values: readonly string[]): Option[] {
  return [['', 'any'], ...values.map((value): Option => [value, value])]
}

/** In place of a list that a filter leaves nothing of. */
export function NoneMatch({ what, all }: { what: string; all: string }): Html {
  return (
    <p>
      No {what} match. <a href={all}>Clear filters</a>
    </p>
  )
}
