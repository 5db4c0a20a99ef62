/** Workflow commands: lines of output that ask the runner for something (`::error file=a.js,line=3::message`).
 *  Parsing only; what a command does is the step log's business. */

export interface LogCommand {
  /** Lower case, as commands are compared without regard to case. */
  name: string
  /** Keys in lower case. */
  properties: Record<string, string>
  data: string
}

/** Reads `::name key=value,…::data`, or the older `##[name key=value;…]data`. Undefined for an ordinary line. */
export function parseLogCommand(line: string): LogCommand | undefined {
  const current = /^\s*::([^\s:]+)(?:\s+(.*?))?\s*::(.*)$/s.exec(line)
  if (current !== null) {
    const [, name = '', properties = '', data = ''] = current
    return {
      name: name.toLowerCase(),
      properties: readProperties(properties, ',', unescapeProperty),
      data: unescapeData(data),
    }
  }
  const older = /##\[([^\s\]]+)(?:\s+([^\]]*))?\](.*)$/s.exec(line)
  if (older === null) return undefined
  const [, name = '', properties = '', data = ''] = older
  return {
    name: name.toLowerCase(),
    properties: readProperties(properties, ';', unescapeOlder),
    data: unescapeOlder(data),
  }
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

// `%25` comes last everywhere: what it yields must not be unescaped again.
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
