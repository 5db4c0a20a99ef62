/** Workflow commands: lines of output with instructions for the runner
 *  (`::error file=a.js,line=3::message`). Parsing only; `step-log.ts` executes them. */

export interface LogCommand {
  /** In lower case, since commands are case-insensitive. */
  name: string
  /** Keys in lower case. */
  properties: Record<string, string>
  data: string
}

/** Parses `::name key=value,…::data`, or the older `##[name key=value;…]data`. Returns undefined
 *  for an ordinary line. Runs on every line of output, so it looks for the delimiters one by one in
 *  linear time. */
export function parseLogCommand(line: string): LogCommand | undefined {
  return parseCurrent(line.trimStart()) ?? parseOlder(line)
}

function parseCurrent(line: string): LogCommand | undefined {
  const end = line.startsWith('::') ? line.indexOf('::', 2) : -1
  if (end < 0) return undefined
  const { name, properties } = splitHead(line.slice(2, end).trimEnd())
  if (name === '' || name.includes(':')) return undefined
  return {
    name: name.toLowerCase(),
    properties: readProperties(properties, ',', unescapeProperty),
    data: unescapeData(line.slice(end + 2)),
  }
}

function parseOlder(line: string): LogCommand | undefined {
  const start = line.indexOf('##[')
  const end = start < 0 ? -1 : line.indexOf(']', start)
  if (end < 0) return undefined
  const { name, properties } = splitHead(line.slice(start + 3, end))
  if (name === '') return undefined
  return {
    name: name.toLowerCase(),
    properties: readProperties(properties, ';', unescapeOlder),
    data: unescapeOlder(line.slice(end + 1)),
  }
}

function splitHead(head: string): { name: string; properties: string } {
  const blank = head.search(/\s/)
  if (blank < 0) return { name: head, properties: '' }
  return { name: head.slice(0, blank), properties: head.slice(blank).trimStart() }
}

function readProperties(
  text: string,
  separator: string,
  unescape: (value: string) => string,
): Record<string, string> {
  const properties: Record<string, string> = {}
  for (const pair of text.split(separator)) {
    const at = pair.indexOf('=')
    const value = pair.slice(at + 1)
    if (at > 0 && value !== '') properties[pair.slice(0, at).trim().toLowerCase()] = unescape(value)
  }
  return properties
}

// `%25` must come last: its result must not be unescaped again.
function unescapeData(text: string): string {
  return text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%')
}

function unescapeProperty(text: string): string {
  const breaks = text.replaceAll('%0D', '\r').replaceAll('%0A', '\n')
  return breaks.replaceAll('%3A', ':').replaceAll('%2C', ',').replaceAll('%25', '%')
}

function unescapeOlder(text: string): string {
  const marks = text.replaceAll('%3B', ';').replaceAll('%5D', ']')
  return marks.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%')
}
