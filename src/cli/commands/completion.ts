/** `trove completion`: prints a script with which a shell completes commands, flags and their
 *  values. */
import { choice, takeOperands } from '../arguments.ts'
import type { Command } from '../command.ts'
import { bashCompletion } from '../completion/bash.ts'
import { type CommandShape, commandShapes } from '../completion/command-shape.ts'
import { fishCompletion } from '../completion/fish.ts'
import { zshCompletion } from '../completion/zsh.ts'
import { write } from '../output/output.ts'

const shells = ['bash', 'zsh', 'fish'] as const

const scripts: Record<(typeof shells)[number], (commands: CommandShape[]) => string> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
}

export const completionCommand: Command<Record<never, never>> = {
  operands: 'bash|zsh|fish',
  summary: 'Print a script that makes a shell complete commands, flags and their values.',
  flags: {},
  examples: [
    'source <(trove completion bash)   # in ~/.bashrc; bash 3.2 needs: eval "$(trove completion bash)"',
    'source <(trove completion zsh)    # in ~/.zshrc, after compinit',
    'trove completion fish > ~/.config/fish/completions/trove.fish',
  ],
  exitStatuses: [],
  async run({ operands, commands, stdout }) {
    const [operand] = takeOperands(operands, ['bash, zsh or fish'])
    const shell = choice(operand, shells, 'the shell')
    await write(stdout, scripts[shell](await commandShapes(commands)))
  },
}
