/** actions/upload-artifact with the inputs, outputs and path rules of v7. */
import { basename } from 'node:path'
import type { SearchResult } from '../glob/glob.ts'
import { StepFailure, type StepBody } from '../step/step-body.ts'
import { uploadFiles } from './upload-paths.ts'
import type { UsesStep } from '../file/workflow-file.ts'
import { readBuiltInInputs } from './inputs.ts'
import { artifactsOf, readUploadOptions, uploadTo } from './artifacts.ts'

const defaults = {
  name: 'artifact',
  path: '',
  'if-no-files-found': 'warn',
  'retention-days': '',
  'compression-level': '6',
  overwrite: 'false',
  'include-hidden-files': 'false',
  archive: 'true',
}

/** Errors: StepFailure, and those of the store. */
export async function runUpload(body: StepBody, step: UsesStep): Promise<void> {
  const { job, log } = body
  const inputs = await readBuiltInInputs(body, step, defaults)
  const path = inputs.required('path')
  const overwrite = inputs.boolean('overwrite')
  const includeHidden = inputs.boolean('include-hidden-files')
  const archive = inputs.boolean('archive')
  const ifNoFilesFound = inputs.text('if-no-files-found')
  if (!/^(?:warn|error|ignore)$/.test(ifNoFilesFound)) {
    const options = 'Available options: warn,error,ignore'
    throw new StepFailure(
      `Unrecognized if-no-files-found input. Provided: ${ifNoFilesFound}. ${options}`,
    )
  }
  const options = readUploadOptions(body, inputs)
  const directory = job.directories.workspace
  const home = body.env['HOME'] ?? job.engine.environment['HOME']
  const roots = { directory, home, includeHidden }
  const search = await job.engine.globber.search(path, roots, body.stop)
  warnOfUnreadableNames(body, search)
  const files = uploadFiles(search)
  const [first] = files
  if (first === undefined) {
    const message = `No files were found with the provided path: ${path}. No artifacts will be uploaded.`
    if (ifNoFilesFound === 'error') throw new StepFailure(message)
    if (ifNoFilesFound === 'warn') log.annotate({ level: 'warning', message })
    else log.say(message)
    return
  }
  log.say(
    `With the provided path, there will be ${files.length} file${files.length === 1 ? '' : 's'} uploaded`,
  )
  if (!archive && files.length > 1) {
    throw new StepFailure(
      `When 'archive' is set to false, only a single file can be uploaded. Found ${files.length} files to upload.`,
    )
  }
  // Unlike the stock action (upload-artifact#769), overwrite replaces the artifact named after the
  // file.
  const name = archive ? inputs.required('name') : basename(first.absolutePath)
  const request = { name, files, archive, ...options, overwrite, signal: body.stop }
  await uploadTo(artifactsOf(body), body, request)
}

/** Warns about files whose name is not UTF-8. GitHub's action skips them silently. */
function warnOfUnreadableNames({ log }: StepBody, { unreadable }: SearchResult): void {
  for (const path of unreadable) {
    log.annotate({ level: 'warning', message: `Skipped ${path}: its name is not valid UTF-8` })
  }
}
