import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { planShell } from '../../src/workflow/step/shell.ts'

test.each(['pwsh', 'pwsh -NoProfile -File {0}'])(
  'PowerShell called as %j gets a .ps1 file and stops at errors',
  async (shell) => {
    const directory = await mkdtemp(join(tmpdir(), 'trove-shell-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    await writeFile(join(directory, 'pwsh'), '', { mode: 0o755 })
    const plan = await planShell(shell, 'Write-Output x', { PATH: directory })
    expect(plan).toMatchObject({ command: 'pwsh', extension: '.ps1' })
    expect(plan.script).toMatch(
      /^\$ErrorActionPreference = 'stop'\nWrite-Output x\n.*exit \$LASTEXITCODE \}$/s,
    )
  },
)
