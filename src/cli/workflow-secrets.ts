/** The secrets that a workflow run gets: from a file, and from variables that are named one by one. */
import { readFile } from 'node:fs/promises'
import { namedFileError } from '../client/files/file-error.ts'
import { PairsError, parsePairs } from '../workflow/file-commands.ts'
import { UsageError } from './arguments.ts'

/** Errors: UsageError, FileError. */
export async function readSecrets(
  { file, names }: { file: string | undefined; names: string[] },
  environment: Record<string, string>,
): Promise<Record<string, string>> {
  const secrets = file === undefined ? {} : await readFilePairs(file)
  for (const name of names) {
    const value = environment[name]
    // A value on the command line would be public.
    if (value === undefined)
      throw new UsageError(`--secret ${name}: there is no variable of that name in the environment`)
    secrets[name] = value
  }
  return secrets
}

/** What cannot be read is not shown: a line of this file is a piece of a secret. */
async function readFilePairs(file: string): Promise<Record<string, string>> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw namedFileError(file, error)
  })
  try {
    return parsePairs(text)
  } catch (error) {
    if (!(error instanceof PairsError)) throw error
    throw new UsageError(
      `--secrets-file ${file}, line ${error.line}: neither NAME=VALUE nor the beginning of a block NAME<<END that ends with END`,
    )
  }
}
