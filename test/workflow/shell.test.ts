import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { planShell } from '../../src/workflow/step/shell.ts'
import { makeDirectory } from '../client/tree.ts'
import { createPlayground, oneJob } from './playground.ts'

test('names of shells that every object has are unknown shells', async () => {
  await expect(planShell('constructor', '', '')).rejects.toThrow('unknown shell "constructor"')
})

test.each(['pwsh', 'pwsh -NoProfile -File {0}'])(
  'PowerShell called as %j gets a .ps1 file and stops at errors',
  async (shell) => {
    const directory = await makeDirectory()
    await writeFile(join(directory, 'pwsh'), '', { mode: 0o755 })
    const plan = await planShell(shell, 'Write-Output x', directory)
    expect(plan).toMatchObject({ command: 'pwsh', extension: '.ps1' })
    expect(plan.script).toMatch(
      /^\$ErrorActionPreference = 'stop'\nWrite-Output x\n.*exit \$LASTEXITCODE \}$/s,
    )
  },
)

test('a PATH that a workflow sets does not hide the shell, and one that a step adds to finds it', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob(`
- {env: {PATH: /nowhere}, run: 'echo "path $PATH"'}
- run: |
    printf '#!/bin/sh\\necho mine' > "$RUNNER_TEMP/myshell"
    chmod +x "$RUNNER_TEMP/myshell"
    echo "$RUNNER_TEMP" >> "$GITHUB_PATH"
- {shell: 'myshell {0}', run: x}
`),
  )
  expect(run.conclusion).toBe('success')
  expect(run.log('job')).toMatch(/^path \/nowhere$/m)
  expect(run.log('job')).toMatch(/^mine$/m)
})
