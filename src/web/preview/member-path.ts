/** The path of a member of an archive, in addresses: `lib/app.jar!/META-INF/MANIFEST.MF`. */

const mark = '!/'

export function memberPath(archive: string, name: string): string {
  return `${archive}${mark}${name}`
}

/** Undefined if the path is no such path. */
export function splitMemberPath(path: string): { archive: string; name: string } | undefined {
  const at = path.indexOf(mark)
  if (at < 1) return undefined
  return { archive: path.slice(0, at), name: path.slice(at + mark.length) }
}
