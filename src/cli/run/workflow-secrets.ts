/** Reads the secrets of a workflow run: from a file, and from environment variables named one by
 *  one. */
import { readNamedText } from '../../client/files/file-error.ts'
import { PairsError, parsePairs } from '../../workflow/step/file-commands.ts'
import { UsageError } from '../arguments.ts'

/** Errors: UsageError, FileError. */
export async function readSecrets(
  { file, names }: { file: string | undefined; names: string[] },
  environment: Record<string, string>,
): Promise<Record<string, string>> {
  const secrets = file === undefined ? {} : await readFilePairs(file)
  for (const name of names) {
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined
    // Values are not accepted on the command line, which is public.
    if (value === undefined)
      throw new UsageError(`--secret ${name}: no environment variable has that name`)
    secrets[name] = value
  }
  return secrets
}

/** Errors do not quote the file: its lines are pieces of secrets. */
async function readFilePairs(file: string): Promise<Record<string, string>> {
  const text = await readNamedText(file)
  try {
    return parsePairs(text)
  } catch (error) {
    if (!(error instanceof PairsError)) throw error
    throw new UsageError(
      `--secrets-file ${file}, line ${error.line}: expected NAME=VALUE, or a block from NAME<<END to END`,
    )
  }
}
