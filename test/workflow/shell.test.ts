import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { planShell } from '../../src/workflow/step/shell.ts'
import { makeDirectory } from '../client/tree.ts'

test('names of shells that every object has are unknown shells', async () => {
  await expect(planShell('constructor', '', {})).rejects.toThrow('unknown shell "constructor"')
})

test.each(['pwsh', 'pwsh -NoProfile -File {0}'])(
  'PowerShell called as %j gets a .ps1 file and stops at errors',
  async (shell) => {
    const directory = await makeDirectory()
    await writeFile(join(directory, 'pwsh'), '', { mode: 0o755 })
    const plan = await planShell(shell, 'Write-Output x', { PATH: directory })
    expect(plan).toMatchObject({ command: 'pwsh', extension: '.ps1' })
    expect(plan.script).toMatch(
      /^\$ErrorActionPreference = 'stop'\nWrite-Output x\n.*exit \$LASTEXITCODE \}$/s,
    )
  },
)
