/** Commands to the runner of a GitHub-style job:
 *  https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands */
import { printable } from './output.ts'

/** Returns the line as bytes: in text, a command would be made harmless. `command` has its
 *  properties, such as `warning title=Secrets`. */
export function workflowCommand(command: string, data: string): Uint8Array {
  const escaped = data.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  return Buffer.from(`::${command}::${printable(escaped)}\n`)
}
