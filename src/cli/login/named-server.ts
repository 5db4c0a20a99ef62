/** The server that `trove login [URL]` and `trove logout [URL]` name. */
import { Settings } from '../../config/settings.ts'
import { UsageError } from '../arguments.ts'

/** As text of `--url`; undefined when neither is given. Errors: UsageError, ConfigError. */
export function namedServer(
  operand: string | undefined,
  flag: string | undefined,
): string | undefined {
  if (operand === undefined) return flag
  if (flag !== undefined) throw new UsageError('name the server by URL or by --url, not by both')
  const source = new Settings({})
  source.rootOf('URL', operand)
  source.finish()
  return operand
}
