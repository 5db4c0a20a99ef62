/** Reads the body of PROPFIND: which properties the client wants (RFC 4918 §14.20). */
import { invalidRequest, tooLarge } from '../../core/errors.ts'
import { readXml } from '../../core/xml.ts'

export interface PropertyName {
  namespace: string
  name: string
}

export type Wanted = { kind: 'all' } | { kind: 'names' } | { kind: 'named'; names: PropertyName[] }

export const davNamespace = 'DAV:'

/** Clients ask for some ten properties; unknown ones are repeated for each file of a folder. */
const propertiesMax = 100

/** Of the body, in bytes. */
export const propfindLimit = {
  bytesMax: 16 * 1024,
  limit: 'bytes of a PROPFIND body',
  setting: null,
}

interface Element extends PropertyName {
  /** Of its content. */
  scope: Scope | undefined
}

/** Namespaces by the prefixes that one element declares. Elements that declare none have no scope
 *  of their own: thousands of them can be nested. */
interface Scope {
  declared: ReadonlyMap<string, string>
  outer: Scope | undefined
}

/** Errors: invalid_request, too_large. */
export function parsePropfind(body: Uint8Array): Wanted {
  // RFC 4918 §9.1: no body asks for all properties.
  if (body.length === 0) return { kind: 'all' }
  const open: Element[] = []
  const names: PropertyName[] = []
  let kind: Wanted['kind'] | undefined
  let roots = 0
  const events = readXml(decode(body))
  let next = events.next()
  for (; next.done !== true; next = events.next()) {
    const event = next.value
    if (event.kind === 'close') {
      open.pop()
    } else if (event.kind === 'open') {
      const element = resolve(event, open.at(-1)?.scope)
      const depth = open.push(element)
      if (depth === 1) roots += 1
      if (depth === 1 && !isDav(element, 'propfind')) throw malformed('its root is no propfind')
      if (depth === 2) kind ??= kindOf(element)
      if (depth === 3 && isDav(open[1]!, 'prop')) names.push(element)
    } else if (open.length === 0 && event.text.trim() !== '') throw malformed('text is outside')
  }
  if (!next.value || roots !== 1) throw malformed('it is not well-formed')
  if (kind === undefined) throw malformed('it has none of prop, allprop and propname')
  if (names.length > propertiesMax) throw tooMany()
  return kind === 'named' ? { kind, names } : { kind }
}

/** RFC 4918 §17: other elements are ignored, and so is `include`, since `allprop` means all. */
function kindOf(element: Element): Wanted['kind'] | undefined {
  if (isDav(element, 'prop')) return 'named'
  if (isDav(element, 'allprop')) return 'all'
  return isDav(element, 'propname') ? 'names' : undefined
}

function isDav({ namespace, name }: Element, wanted: string): boolean {
  return namespace === davNamespace && name === wanted
}

/** Letters and digits of any script: a bit more than XML 1.0 §2.3 allows to begin with. */
const localName = /^[\p{L}_][\p{L}\p{M}\p{N}_.-]*$/u

/** Namespaces in XML 1.0 §2 to §6. No property has the prefix `xml`. */
function resolve(
  { name: tag, attributes }: { name: string; attributes: ReadonlyMap<string, string> },
  outer: Scope | undefined,
): Element {
  const declared = new Map<string, string>()
  for (const [attribute, value] of attributes) {
    const [, prefix] = /^xmlns(?::(.+))?$/.exec(attribute) ?? [null]
    if (prefix === null) continue
    if (prefix !== undefined && value === '') throw malformed(`${attribute} is empty`)
    declared.set(prefix ?? '', value)
  }
  const [name = '', prefix = '', ...rest] = tag.split(':').toReversed()
  const scope = declared.size > 0 ? { declared, outer } : outer
  const namespace = namespaceIn(scope, prefix) ?? (prefix === '' ? '' : undefined)
  if (rest.length > 0 || namespace === undefined || !localName.test(name))
    throw malformed(`${JSON.stringify(tag)} is no name of an element`)
  return { namespace, name, scope }
}

function namespaceIn(scope: Scope | undefined, prefix: string): string | undefined {
  for (let each = scope; each !== undefined; each = each.outer) {
    const namespace = each.declared.get(prefix)
    if (namespace !== undefined) return namespace
  }
  return undefined
}

/** XML 1.0 §4.3.3: UTF-8, or UTF-16 with a byte order mark. */
function decode(body: Uint8Array): string {
  const mark = (body[0]! << 8) | (body[1] ?? 0)
  const encoding = mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : 'utf-8'
  return new TextDecoder(encoding).decode(body)
}

function malformed(reason: string): Error {
  return invalidRequest('body', `the body is no PROPFIND request: ${reason}`)
}

function tooMany(): Error {
  const message = `at most ${propertiesMax} properties can be asked for at once`
  return tooLarge('properties', propertiesMax, message)
}
