/** Words of commands that pages show for a POSIX shell. */

/** Downloads to `file`, and continues where an earlier attempt stopped. With an empty TROVE_TOKEN
 *  the header would be refused, so it is left out where no token is needed. */
export function curlCommand(
  url: string,
  { file, isPublic }: { file: string; isPublic: boolean },
): string {
  const token = isPublic ? '' : '-H "Authorization: Bearer $TROVE_TOKEN" '
  return `curl -f -C - -o ${shellFile(file)} ${token}${shellWord(url)}`
}

/** A file name that no command mistakes for a flag. */
export function shellFile(name: string): string {
  return shellWord(name.startsWith('-') ? `./${name}` : name)
}

/** Quotes `text` for a POSIX shell if needed. */
export function shellWord(text: string): string {
  return /^[\w./@:%-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
