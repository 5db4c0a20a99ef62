/** Writes the response to PROPFIND (RFC 4918 §13, §14.16). */
import { escapeXml } from '../../core/xml.ts'
import { mediaTypeOf } from '../body/media-type.ts'
import type { Item, Items } from './place.ts'
import { davNamespace, type PropertyName, type Wanted } from './propfind.ts'

export const xmlType = 'application/xml; charset=utf-8'
const declaration = '<?xml version="1.0" encoding="utf-8"?>\n'

/** RFC 4918 §9.1: the precondition that a Depth of `infinity` fails here. */
export const finiteDepthError = `${declaration}<D:error xmlns:D="DAV:"><D:propfind-finite-depth/></D:error>\n`

/** Yields the document in texts. `path` is the address of `item`, percent-encoded, and ends in a
 *  slash if that is a folder (RFC 4918 §5.2). */
export async function* multistatus(
  { path, item, children }: MultistatusOf,
  wanted: Wanted,
  now: number,
): AsyncGenerator<string, void, undefined> {
  const prefixes = prefixesFor(wanted)
  const declared = [...prefixes].map(([namespace, p]) => ` xmlns:${p}="${escapeXml(namespace)}"`)
  yield `${declaration}<D:multistatus${declared.join('')}>\n`
  const propstats = propstatsFor(wanted, prefixes, now)
  yield responseOf(path, propstats(item))
  for await (const child of children) {
    const end = child.content === null ? '/' : ''
    yield responseOf(`${path}${encodeURIComponent(child.name)}${end}`, propstats(child))
  }
  yield '</D:multistatus>\n'
}

interface MultistatusOf {
  path: string
  item: Item
  children: Items
}

/** A percent-encoded path has no `&` and no `<`. */
function responseOf(href: string, propstats: string): string {
  return `<D:response><D:href>${href}</D:href>${propstats}</D:response>\n`
}

/** The value of a property as XML; null where the item does not have it. */
type Property = (item: Item, now: number) => string | null

/** RFC 4918 §15. */
const properties: ReadonlyMap<string, Property> = new Map<string, Property>([
  ['resourcetype', ({ content }) => (content === null ? '<D:collection/>' : '')],
  ['displayname', ({ name }) => escapeXml(name)],
  ['getcontentlength', ({ content }) => content && String(content.sizeBytes)],
  ['getcontenttype', ({ content, name }) => content && mediaTypeOf(name)],
  // As GET sends it (egress/egress.ts).
  ['getetag', ({ content }) => content && `"${content.digest}"`],
  ['getlastmodified', ({ modifiedAt }, now) => httpDate(modifiedAt, now)],
  // RFC 3339; the others are formatted as in HTTP.
  [
    'creationdate',
    ({ createdAt }) => (createdAt === null ? null : new Date(createdAt).toISOString()),
  ],
])

/** RFC 9110 §8.8.2.1: an instant in the future becomes the present one. */
export function httpDate(at: number | null, now: number): string | null {
  return at === null ? null : new Date(Math.max(0, Math.min(at, now))).toUTCString()
}

/** Prefixes by namespace. Each is declared once: repeated with every property of every item, a long
 *  one would turn a small request into a large response. */
function prefixesFor(wanted: Wanted): Map<string, string> {
  const prefixes = new Map([[davNamespace, 'D']])
  if (wanted.kind !== 'named') return prefixes
  for (const { namespace } of wanted.names) {
    if (namespace !== '' && !prefixes.has(namespace)) prefixes.set(namespace, `n${prefixes.size}`)
  }
  return prefixes
}

/** Returns a function that writes the `propstat` elements of an item. */
function propstatsFor(
  wanted: Wanted,
  prefixes: ReadonlyMap<string, string>,
  now: number,
): (item: Item) => string {
  if (wanted.kind === 'named') return namedPropstats(wanted.names, prefixes, now)
  const isNames = wanted.kind === 'names'
  return (item) => {
    let found = ''
    for (const [name, valueOf] of properties) {
      const value = valueOf(item, now)
      if (value !== null) found += davElement(name, isNames ? '' : value)
    }
    return propstat(found, foundStatus)
  }
}

function namedPropstats(
  names: readonly PropertyName[],
  prefixes: ReadonlyMap<string, string>,
  now: number,
): (item: Item) => string {
  const isKnown = ({ namespace, name }: PropertyName): boolean =>
    namespace === davNamespace && properties.has(name)
  const known = names.filter(isKnown).map(({ name }) => ({ name, valueOf: properties.get(name)! }))
  const unknown = names
    .filter((each) => !isKnown(each))
    .map(({ namespace, name }) => {
      const prefix = prefixes.get(namespace)
      return prefix === undefined ? `<${name}/>` : `<${prefix}:${name}/>`
    })
    .join('')
  return (item) => {
    let found = ''
    let missing = unknown
    for (const { name, valueOf } of known) {
      const value = valueOf(item, now)
      if (value === null) missing += davElement(name, '')
      else found += davElement(name, value)
    }
    // RFC 4918 §9.1.1: what a resource does not have is reported as 404. A response has at least
    // one propstat (§14.24).
    const ofMissing = missing === '' ? '' : propstat(missing, 'HTTP/1.1 404 Not Found')
    return found === '' && missing !== '' ? ofMissing : propstat(found, foundStatus) + ofMissing
  }
}

const foundStatus = 'HTTP/1.1 200 OK'

function propstat(elements: string, status: string): string {
  return `<D:propstat><D:prop>${elements}</D:prop><D:status>${status}</D:status></D:propstat>`
}

function davElement(name: string, value: string): string {
  return value === '' ? `<D:${name}/>` : `<D:${name}>${value}</D:${name}>`
}
